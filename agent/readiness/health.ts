import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import {
  Client,
  type ClientReadableStream,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";

/** What a server says of itself by grpc.health.v1, or "unreachable" when no call to it succeeds. */
export type Health = "serving" | "not-serving" | "unreachable";

const path = "/grpc.health.v1.Health/Watch";
/** ServingStatus of grpc.health.v1. */
const serving = 1;
const serviceUnknown = 3;

/**
 * Follows the health of one server by grpc.health.v1/Watch until closed. A server without health service counts as
 * serving as soon as it answers at all.
 *
 * Reconnects after 50 ms, then twice as long each time up to 2 s.
 */
export class HealthWatch {
  readonly #client: Client;
  readonly #service: string;
  readonly #changed: (health: Health, detail: string) => void;
  #asked = "";
  #stream: ClientReadableStream<number> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #delayMs = 50;
  #last: Health | undefined;
  #closed = false;

  /**
   * @param address "host:port" or "unix:/path".
   * @param service full name; asked for when the server knows nothing of its overall health.
   * @param changed told every change, with the server's words where there are any.
   */
  constructor(address: string, service: string, changed: (health: Health, detail: string) => void) {
    this.#service = service;
    this.#changed = changed;
    this.#client = new Client(address, credentials.createInsecure(), {
      "grpc.enable_http_proxy": 0,
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 2_000,
      "grpc.use_local_subchannel_pool": 1,
    });
    this.#watch();
  }

  /** What it said last; "serving" before that. */
  get last(): Health {
    return this.#last ?? "serving";
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#stream?.cancel();
    this.#client.close();
  }

  #watch(): void {
    const stream = this.#client.makeServerStreamRequest(
      path,
      encodeRequest,
      decodeStatus,
      this.#asked,
      new Metadata({ waitForReady: false }),
    );
    this.#stream = stream;
    stream.on("data", (value: number) => this.#say(value));
    stream.on("error", (error: ServiceError) => this.#broken(error));
    stream.on("end", () => this.#again());
  }

  #say(value: number): void {
    this.#delayMs = 50;
    if (value === serviceUnknown && this.#asked === "") {
      this.#asked = this.#service;
      this.#stream?.cancel();
      return;
    }
    this.#tell(value === serving ? "serving" : "not-serving", "");
  }

  #broken(error: ServiceError): void {
    if (this.#closed) return;
    if (error.code === status.UNIMPLEMENTED) {
      this.#tell("serving", "it has no grpc.health.v1 service");
      return;
    }
    // A cancelled watch is our own: the next one asks for the service by name.
    if (error.code !== status.CANCELLED) this.#tell("unreachable", error.details);
    this.#again();
  }

  #again(): void {
    if (this.#closed || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#watch();
    }, this.#delayMs);
    this.#delayMs = Math.min(this.#delayMs * 2, 2_000);
  }

  #tell(health: Health, detail: string): void {
    if (this.#closed || health === this.#last) return;
    this.#last = health;
    this.#changed(health, detail);
  }
}

function encodeRequest(service: string): Buffer {
  const writer = new BinaryWriter();
  if (service !== "") writer.uint32(10).string(service);
  return Buffer.from(writer.finish());
}

function decodeStatus(bytes: Buffer): number {
  const reader = new BinaryReader(bytes);
  let value = 0;
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1 && wireType === 0) value = reader.int32();
    else reader.skip(wireType, field);
  }
  return value;
}
