import { createServer } from "node:net";
import { Server, ServerCredentials } from "@grpc/grpc-js";

/*
 * A server on plain grpc-js that knows nothing of Rouse: no health service, no announcement, only the variable PORT.
 * With MODE=other-port it ignores that, with MODE=http1 it is no gRPC server.
 */
const { MODE, PORT = "50051" } = process.env;
const port = MODE === "other-port" ? 4040 : Number(PORT);
console.log(`foreign words on port ${port}`);

if (MODE === "http1") {
  createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")).listen(port);
} else {
  const server = new Server();
  server.bindAsync(`0.0.0.0:${port}`, ServerCredentials.createInsecure(), (error) => {
    if (error !== null) throw error;
  });
}
process.on("SIGTERM", () => process.exit(0));
