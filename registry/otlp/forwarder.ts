import { Client, credentials, type ServiceError, status } from "@grpc/grpc-js";
import type { Logger } from "pino";
import { pause } from "../../sdk/client/retry.ts";
import { collectorTarget } from "../../sdk/tracing/collector-target.ts";

/** Most that waits for the collector: exports, and their bytes. The oldest are dropped beyond that. */
const MOST_EXPORTS = 2_000;
const MOST_BYTES = 64 * 2 ** 20;
/** Exports that are on their way at once. */
const LANES = 4;
const TIMEOUT_MS = 10_000;
const BACKOFF_MS = [250, 1_000, 2_500, 5_000];
/** Between two lines in the log about the same trouble, ms. */
const QUIET_MS = 60_000;

/** Statuses after which an export may be tried again (https://opentelemetry.io/docs/specs/otlp/#failures). */
const RETRYABLE = new Set<number>([
  status.CANCELLED,
  status.DEADLINE_EXCEEDED,
  status.RESOURCE_EXHAUSTED,
  status.ABORTED,
  status.OUT_OF_RANGE,
  status.UNAVAILABLE,
  status.DATA_LOSS,
]);

interface Export {
  readonly path: string;
  readonly body: Buffer;
}

/** Counts of a forwarder since its start, in exports. */
export interface ForwardCounts {
  sent: number;
  /** Refused by the collector, or given up because too many waited. */
  dropped: number;
  waiting: number;
}

/** Passes exports on to a collector, as they came; one that is away for long costs exports, the oldest first. */
export class Forwarder {
  readonly #target: string;
  readonly #log: Logger;
  readonly #grpc: Client;
  readonly #queue: Export[] = [];
  readonly #closing = new AbortController();
  /** What the collector does not offer, such as metrics where it keeps traces only. */
  readonly #unwanted = new Set<string>();
  #bytes = 0;
  #lanes = 0;
  #sent = 0;
  #dropped = 0;
  #complainedAtMs = 0;
  #droppedBefore = 0;

  /** @param target "host:port" or URL of an OTLP/gRPC receiver. */
  constructor(target: string, log: Logger) {
    this.#target = target;
    this.#log = log;
    this.#grpc = new Client(
      collectorTarget(target),
      target.startsWith("https://") ? credentials.createSsl() : credentials.createInsecure(),
      {
        "grpc.service_config_disable_resolution": 1,
        "grpc.enable_http_proxy": 0,
        "grpc.max_reconnect_backoff_ms": 5_000,
      },
    );
  }

  get counts(): ForwardCounts {
    return { sent: this.#sent, dropped: this.#dropped, waiting: this.#queue.length + this.#lanes };
  }

  /** Takes one export; never waits. */
  add(path: string, body: Buffer): void {
    if (this.#closing.signal.aborted || this.#unwanted.has(path)) return;
    this.#queue.push({ path, body });
    this.#bytes += body.length;
    while (this.#queue.length > MOST_EXPORTS || this.#bytes > MOST_BYTES) {
      this.#bytes -= this.#queue.shift()?.body.length ?? 0;
      this.#drop(`more than ${MOST_EXPORTS} exports or ${MOST_BYTES / 2 ** 20} MiB wait for it`);
    }
    if (this.#lanes < LANES) void this.#work();
  }

  /** Gives what waits a last try within the time, ms. */
  async close(timeoutMs = 2_000): Promise<void> {
    const end = Date.now() + timeoutMs;
    while (this.#queue.length + this.#lanes > 0 && Date.now() < end) await pause(20, undefined);
    this.#closing.abort();
    this.#grpc.close();
  }

  async #work(): Promise<void> {
    this.#lanes += 1;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        this.#bytes -= next.body.length;
        await this.#deliver(next);
      }
    } finally {
      this.#lanes -= 1;
    }
  }

  async #deliver({ path, body }: Export): Promise<void> {
    for (let attempt = 0; !this.#closing.signal.aborted; attempt++) {
      const error = await this.#send(path, body);
      if (error === null) {
        this.#sent += 1;
        return;
      }
      if (error.code === status.UNIMPLEMENTED) {
        this.#unwanted.add(path);
        this.#log.warn(
          { path, target: this.#target },
          "The collector does not take these exports; they are kept here only",
        );
        return;
      }
      if (!RETRYABLE.has(error.code)) {
        this.#drop(`it refuses them: ${error.details}`);
        return;
      }
      this.#complain(`it does not answer: ${error.details}`);
      const backoff = BACKOFF_MS[Math.min(attempt, BACKOFF_MS.length - 1)] ?? 0;
      await pause(backoff, this.#closing.signal).catch(() => {});
    }
  }

  #send(path: string, body: Buffer): Promise<ServiceError | null> {
    const same = (bytes: Buffer) => bytes;
    const deadline = Date.now() + TIMEOUT_MS;
    return new Promise((resolve) => {
      this.#grpc.makeUnaryRequest(path, same, same, body, { deadline }, (error) => resolve(error));
    });
  }

  #drop(why: string): void {
    this.#dropped += 1;
    this.#complain(why);
  }

  #complain(why: string): void {
    if (Date.now() - this.#complainedAtMs < QUIET_MS) return;
    this.#complainedAtMs = Date.now();
    const dropped = this.#dropped - this.#droppedBefore;
    this.#droppedBefore = this.#dropped;
    this.#log.warn(
      { target: this.#target, why, dropped, waiting: this.#queue.length },
      "Traces and metrics do not reach the collector (--otlp)",
    );
  }
}
