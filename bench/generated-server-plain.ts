import { Server, ServerCredentials } from "@grpc/grpc-js";
import { echoDefinition, type Message, say } from "../sdk/fixtures/echo.ts";

/*
 * The yardstick of bench/generated-server.ts: the same service on grpc-js alone, as ts-proto's own generated code and
 * the grpc-js guide have it.
 */

const { decodeRequest, encodeResponse, path } = echoDefinition.methods.say;
const service = {
  say: {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: (message: Message) => Buffer.from(encodeResponse(message)),
    requestDeserialize: (bytes: Buffer) => decodeRequest(bytes),
    responseSerialize: (message: Message) => Buffer.from(encodeResponse(message)),
    responseDeserialize: (bytes: Buffer) => decodeRequest(bytes),
  },
} as const;

const server = new Server();
server.addService(service, {
  say: async (
    call: { request: Message },
    respond: (error: Error | null, message?: Message) => void,
  ): Promise<void> => {
    respond(null, say(`you said ${call.request.text}`));
  },
});
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  process.send?.(`127.0.0.1:${port}`);
});
process.on("message", () => process.send?.(process.cpuUsage()));
process.on("disconnect", () => process.exit());
