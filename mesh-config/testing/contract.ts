import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import {
  createFileRegistry,
  type DescService,
  fromBinary,
  fromJson,
  type JsonObject,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Server, type ServerDuplexStream, type UntypedServiceImplementation } from "@grpc/grpc-js";
import { statusObject } from "../../sdk/answer.ts";
import { listen } from "../../sdk/grpc.ts";

const require = createRequire(import.meta.url);
const googleapis = join(dirname(require.resolve("@grpc/grpc-js-xds/package.json")), "deps", "googleapis");
const buf = join(dirname(require.resolve("@bufbuild/buf/package.json")), "bin", "buf");

/** Compiles contracts by their paths into a descriptor set; they may import google/api. */
export async function compile(files: Readonly<Record<string, string>>): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), "rouse-contract-"));
  try {
    await cp(join(googleapis, "google", "api"), join(folder, "google", "api"), { recursive: true });
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    const paths = Object.keys(files).flatMap((name) => ["--path", name]);
    const args = [buf, "build", ".", ...paths, "--as-file-descriptor-set", "-o", "set.binpb"];
    const child = spawn(process.execPath, args, { cwd: folder, stdio: ["ignore", "inherit", "inherit"] });
    const [code] = await once(child, "exit");
    if (code !== 0) throw new Error(`buf build ended with ${code}`);
    return await readFile(join(folder, "set.binpb"));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A method in JSON: gets all requests, and answers one response, or many. */
export type JsonHandler = (
  requests: JsonObject[],
  metadata: Readonly<Record<string, unknown>>,
) => JsonObject | AsyncIterable<JsonObject>;

/** Serves a service of a descriptor set by handlers in JSON. */
export async function serveContract(
  set: Uint8Array,
  name: string,
  handlers: Readonly<Record<string, JsonHandler>>,
) {
  const types = createFileRegistry(fromBinary(FileDescriptorSetSchema, set));
  const service = types.getService(name) as DescService;
  const server = new Server();
  const raw = (bytes: Buffer) => bytes;
  const definitions = service.methods.map((method) => {
    const definition = {
      path: `/${name}/${method.name}`,
      // On the wire all shapes are alike.
      requestStream: true,
      responseStream: true,
      requestSerialize: raw,
      requestDeserialize: raw,
      responseSerialize: raw,
      responseDeserialize: raw,
    };
    const handle = async (call: ServerDuplexStream<Buffer, Buffer>) => {
      try {
        const requests: JsonObject[] = [];
        for await (const bytes of call as AsyncIterable<Buffer>) {
          const message = fromBinary(method.input, bytes);
          requests.push(toJson(method.input, message, { registry: types }) as JsonObject);
        }
        const handler = handlers[method.name];
        if (handler === undefined) throw new Error(`the test has no handler for ${method.name}`);
        const answer = handler(requests, call.metadata.getMap());
        const all = Symbol.asyncIterator in answer ? (answer as AsyncIterable<JsonObject>) : [answer];
        for await (const one of all) {
          const message = fromJson(method.output, one, { registry: types });
          call.write(Buffer.from(toBinary(method.output, message)));
        }
        call.end();
      } catch (error) {
        call.emit("error", statusObject(error));
      }
    };
    return [method.name, definition, handle] as const;
  });
  server.addService(
    Object.fromEntries(definitions.map(([method, definition]) => [method, definition])),
    Object.fromEntries(
      definitions.map(([method, , handle]) => [method, handle]),
    ) as unknown as UntypedServiceImplementation,
  );
  const address = await listen(server, "127.0.0.1:0");
  return { address, close: () => server.forceShutdown() };
}
