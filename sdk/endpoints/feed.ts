import { type Client, type ClientDuplexStream, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import {
  EndpointsService,
  type Report,
  type Share,
  type Subscribe,
  type WatchRequest,
  type WatchResponse,
} from "#proto/rouse/meshconfig/v1/endpoints.ts";

/** How often calls are reported, ms; the mesh takes who is silent for ten times as long for gone. */
const REPORT_MS = 1_000;
const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 2_000;
/** Who has no such service may get one: a mesh that is updated. ms. */
const ABSENT_RETRY_MS = 60_000;

/** What a feed tells and asks. */
export interface FeedOptions {
  /** To the mesh, by Envoy. */
  readonly grpc: Client;
  readonly subscribe: Subscribe;
  /** Told what is there now, and each change. */
  readonly changed: (shares: readonly Share[]) => void;
  /** Asked every second, and at once when a stream begins. */
  readonly report: () => Omit<Report, "applied">;
}

/**
 * Follows where a service's instances are, and reports the calls to them. While the mesh is away, what was told last holds.
 */
export class EndpointFeed {
  readonly #options: FeedOptions;
  #stream: ClientDuplexStream<WatchRequest, WatchResponse> | undefined;
  #applied = 0;
  #delayMs = FIRST_RETRY_MS;
  #timer: NodeJS.Timeout | undefined;
  readonly #reporting: NodeJS.Timeout;
  #closed = false;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#reporting = setInterval(() => this.report(), REPORT_MS).unref();
    this.#open();
  }

  /** Reports now. */
  report(): void {
    if (this.#applied === 0) return;
    const value = { applied: this.#applied, ...this.#options.report() };
    this.#stream?.write({ kind: { $case: "report", value } });
  }

  /** Ends it, with a last report. */
  close(): void {
    if (this.#closed) return;
    this.report();
    this.#closed = true;
    clearInterval(this.#reporting);
    clearTimeout(this.#timer);
    this.#stream?.end();
  }

  #open(): void {
    const { path, requestSerialize, responseDeserialize } = EndpointsService.watch;
    const { grpc, subscribe } = this.#options;
    const stream = grpc.makeBidiStreamRequest<WatchRequest, WatchResponse>(
      path,
      requestSerialize,
      responseDeserialize,
      new Metadata(),
    );
    this.#stream = stream;
    this.#applied = 0;
    stream.on("data", ({ number, shares }: WatchResponse) => {
      this.#delayMs = FIRST_RETRY_MS;
      this.#options.changed(shares);
      this.#applied = number;
      this.report();
    });
    stream.on("error", ({ code }: ServiceError) => this.#broken(stream, code));
    stream.on("end", () => this.#broken(stream, status.UNAVAILABLE));
    stream.write({ kind: { $case: "subscribe", value: subscribe } });
  }

  #broken(stream: ClientDuplexStream<WatchRequest, WatchResponse>, code: number): void {
    if (stream !== this.#stream) return;
    this.#stream = undefined;
    if (this.#closed) return;
    stream.cancel();
    const absent = code === status.NOT_FOUND || code === status.UNIMPLEMENTED;
    if (absent) this.#options.changed([]);
    const delayMs = absent ? ABSENT_RETRY_MS : this.#delayMs * (0.8 + Math.random() * 0.4);
    this.#delayMs = Math.min(2 * this.#delayMs, LAST_RETRY_MS);
    this.#timer = setTimeout(() => this.#open(), delayMs).unref();
  }
}
