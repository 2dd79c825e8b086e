import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { parentPort } from "node:worker_threads";
import { Server, ServerCredentials, type ServerWritableStream } from "@grpc/grpc-js";

/*
 * A service on plain grpc-js that behaves as MODE says, well or badly. Its health is what MODE=toggle flips each time
 * that grpc.health.v1/Check is called.
 */
const {
  MODE = "serve",
  ROUSE_LISTEN = "127.0.0.1:0",
  ROUSE_NOTIFY,
  ROUSE_INSTANCE,
  ROUSE_APP = ".",
} = process.env;

const bytes = (value: Buffer) => value;
const method = (name: string, responseStream: boolean) => ({
  path: `/grpc.health.v1.Health/${name}`,
  requestStream: false,
  responseStream,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
});
/** HealthCheckResponse: field 1, SERVING is 1 and NOT_SERVING 2. */
const health = (status: number) => Buffer.from([8, status]);
const watchers = new Set<ServerWritableStream<Buffer, Buffer>>();
let status = MODE === "not-serving" ? 2 : 1;

function set(next: number): void {
  status = next;
  for (const watcher of watchers) watcher.write(health(status));
}

function serve(): void {
  const server = new Server();
  server.addService(
    { check: method("Check", false), watch: method("Watch", true) },
    {
      check: (_call: unknown, callback: (error: null, answer: Buffer) => void) => {
        if (MODE === "toggle") set(status === 1 ? 2 : 1);
        if (MODE === "hog") hog();
        callback(null, health(status));
      },
      watch: (call: ServerWritableStream<Buffer, Buffer>) => {
        watchers.add(call);
        call.on("cancelled", () => watchers.delete(call));
        call.write(health(status));
      },
    },
  );
  const address = MODE === "other-port" ? "0.0.0.0:0" : ROUSE_LISTEN;
  server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) => {
    if (error !== null) throw error;
    console.log(`listening with ${readFileSync(join(ROUSE_APP, "data/words.txt"), "utf8").trim()}`);
    if (ROUSE_NOTIFY === undefined || MODE === "silent" || MODE === "other-port") return;
    const socket = connect(ROUSE_NOTIFY, () => {
      const pushed = MODE === "toggle" ? { health: "SERVING" } : {};
      const [host] = MODE === "loopback" ? ["127.0.0.1"] : ROUSE_LISTEN.split(":");
      const announced = { instance: ROUSE_INSTANCE, address: `${host}:${port}`, ...pushed };
      socket.write(`${JSON.stringify(announced)}\n`);
    });
    socket.unref();
  });
  const end = () => {
    console.log("told to end");
    if (MODE !== "stubborn") process.exit(0);
  };
  process.on("SIGTERM", end);
  parentPort?.on("message", end).unref();
}

function hog(): void {
  const hoarded: Buffer[] = [];
  setInterval(() => hoarded.push(Buffer.alloc(16 * 2 ** 20, 1)), 5);
}

if (MODE === "exit") {
  console.log("first words");
  console.error("no configuration: giving up");
  process.exit(3);
} else if (MODE === "hang") {
  setInterval(() => {}, 1_000);
} else if (MODE === "hog-at-start") {
  hog();
} else {
  if (MODE === "chatty") {
    let line = 0;
    setInterval(() => console.log(`line ${++line}`), 20);
  }
  serve();
}
