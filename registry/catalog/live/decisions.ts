import { type ClientReadableStream, credentials, type ServerWritableStream } from "@grpc/grpc-js";
import type { Logger } from "pino";
import type {
  Decision,
  WatchDecisionsRequest,
  WatchDecisionsResponse,
} from "#proto/rouse/catalog/v1/catalog.ts";
import {
  OrchestratorClient,
  type WatchDecisionsResponse as OrchestratorDecisions,
} from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import type { ConsulClient } from "../../consul.ts";
import { ORCHESTRATOR_KEY } from "../../keys.ts";
import { watchLeader } from "../../leader.ts";

type Call = ServerWritableStream<WatchDecisionsRequest, WatchDecisionsResponse>;

/** So many are kept for who comes later. */
const KEPT = 200;
/** Pause before a leader that went away is asked anew, ms. */
const AGAIN_MS = 1_000;
/** A reader that takes nothing may have so much waiting, bytes; one that is slower is let go. */
const MOST_WAITING = 4 << 20;

/** Passes on what the leading orchestrator decides, whichever that is; what a former one decided is kept. */
export class DecisionsFeed {
  readonly #calls = new Set<Call>();
  readonly #unwatch: () => void;
  readonly #log: Logger;
  #latest: Decision[] = [];
  #client: OrchestratorClient | undefined;
  #stream: ClientReadableStream<OrchestratorDecisions> | undefined;
  #again: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(consul: ConsulClient, log: Logger) {
    this.#log = log;
    this.#unwatch = watchLeader(consul, ORCHESTRATOR_KEY, (leader) => this.#follow(leader?.address));
  }

  /** Tells the latest, and each from now on. */
  serve(call: Call): void {
    this.#calls.add(call);
    const leave = () => this.#calls.delete(call);
    call.on("cancelled", leave).on("close", leave).on("error", leave);
    call.write({ decisions: this.#latest });
  }

  close(): void {
    this.#closed = true;
    this.#unwatch();
    this.#leave();
    for (const call of this.#calls) call.end();
    this.#calls.clear();
  }

  #follow(address: string | undefined): void {
    this.#leave();
    if (address === undefined || this.#closed) return;
    this.#client = new OrchestratorClient(address, credentials.createInsecure(), {
      "grpc.enable_http_proxy": 0,
      "grpc.keepalive_time_ms": 10_000,
      "grpc.keepalive_timeout_ms": 5_000,
    });
    this.#open(address);
  }

  #open(address: string): void {
    const stream = this.#client?.watchDecisions({});
    if (stream === undefined) return;
    this.#stream = stream;
    stream.on("data", ({ decisions }: OrchestratorDecisions) => this.#take(decisions));
    const again = (err?: unknown) => {
      if (this.#stream !== stream) return;
      if (err !== undefined) this.#log.debug({ err, address }, "the leader does not tell its decisions");
      clearTimeout(this.#again);
      this.#again = setTimeout(() => this.#open(address), AGAIN_MS).unref();
    };
    stream.on("error", again).on("end", () => again());
  }

  #leave(): void {
    clearTimeout(this.#again);
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.on("error", () => undefined).cancel();
    this.#client?.close();
    this.#client = undefined;
  }

  #take(decisions: readonly Decision[]): void {
    // A new stream begins with what the last one told.
    const key = ({ atMs, kind, host, instance, service, version }: Decision) =>
      [atMs, kind, host, instance, service, version].join(" ");
    const known = new Set(this.#latest.map(key));
    const fresh = decisions.filter((decision) => !known.has(key(decision)));
    if (fresh.length === 0) return;
    this.#latest = [...this.#latest, ...fresh].slice(-KEPT);
    for (const call of this.#calls) {
      if (call.writableLength > MOST_WAITING) call.end();
      else call.write({ decisions: fresh });
    }
  }
}
