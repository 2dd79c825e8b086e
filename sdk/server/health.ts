import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import {
  type Server,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
} from "@grpc/grpc-js";

/*
 * grpc.health.v1 (https://github.com/grpc/grpc/blob/master/doc/health-checking.md). Its messages have one field each,
 * so they are coded by hand: loading health.proto would cost each wake some 20 ms.
 */

const SERVING = 1;
const NOT_SERVING = 2;
const SERVICE_UNKNOWN = 3;

/** HealthCheckRequest. An object, for grpc-js takes an empty string for a request that never came. */
interface Named {
  readonly service: string;
}

type Watcher = ServerWritableStream<Named, number>;

/** The health of a server, under the empty name and under the names of its services. */
export class Health {
  readonly #names: ReadonlySet<string>;
  readonly #watchers = new Set<Watcher>();
  #status = NOT_SERVING;

  constructor(server: Server, services: readonly string[]) {
    this.#names = new Set(["", ...services]);
    const check = (call: ServerUnaryCall<Named, number>, respond: sendUnaryData<number>) => {
      if (this.#names.has(call.request.service)) respond(null, this.#status);
      else
        respond({ code: status.NOT_FOUND, details: `This server has no service "${call.request.service}".` });
    };
    const list = (_call: ServerUnaryCall<Named, number>, respond: sendUnaryData<number>) => {
      respond(null, this.#status);
    };
    const watch = (call: Watcher) => this.#watch(call);
    const path = (method: string) => `/grpc.health.v1.Health/${method}`;
    server.register(path("Check"), check, encodeStatus, decodeName, "unary");
    server.register(path("Watch"), watch, encodeStatus, decodeName, "serverStream");
    server.register(path("List"), list, (value: number) => this.#encodeList(value), decodeName, "unary");
  }

  /** Tells all watchers that calls are welcome. */
  serving(): void {
    this.#set(SERVING);
  }

  /** Tells all watchers that no more calls are wanted, and ends their streams: they would hold up the drain. */
  stopping(): void {
    this.#set(NOT_SERVING);
    for (const watcher of this.#watchers) watcher.end();
    this.#watchers.clear();
  }

  #set(value: number): void {
    this.#status = value;
    for (const watcher of this.#watchers) this.#tell(watcher);
  }

  #watch(call: Watcher): void {
    this.#watchers.add(call);
    call.on("cancelled", () => this.#watchers.delete(call));
    this.#tell(call);
  }

  #tell(watcher: Watcher): void {
    watcher.write(this.#names.has(watcher.request.service) ? this.#status : SERVICE_UNKNOWN);
  }

  /** HealthListResponse: a map from name to HealthCheckResponse. */
  #encodeList(value: number): Buffer {
    const writer = new BinaryWriter();
    for (const name of this.#names) {
      writer.uint32(10).fork().uint32(10).string(name).uint32(18).bytes(encodeStatus(value)).join();
    }
    return Buffer.from(writer.finish());
  }
}

/** HealthCheckResponse {status = 1}; all statuses fit one byte. */
function encodeStatus(value: number): Buffer {
  return Buffer.from([8, value]);
}

/** HealthCheckRequest {service = 1}. */
function decodeName(bytes: Buffer): Named {
  const reader = new BinaryReader(bytes);
  let service = "";
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === 10) service = reader.string();
    else reader.skip(tag & 7, tag >>> 3);
  }
  return { service };
}
