import { type ClientDuplexStream, credentials } from "@grpc/grpc-js";
import type { Logger } from "pino";
import {
  type ActivateRequest,
  type ActivateResponse,
  type Loads,
  OrchestratorClient,
  type Ready,
  type StageTimes,
  type Wanted,
} from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import { clusterName, type Target } from "../registry/target.ts";
import { steadyMs } from "../sdk/steady.ts";

/** Where the leading orchestrator listens; undefined while none leads. */
export type FollowLeader = (onChange: (address: string | undefined) => void) => () => void;

export interface ActivationOptions {
  /** Name of this mesh-config, stable over restarts. */
  readonly id: string;
  readonly followLeader: FollowLeader;
  readonly onReady: (ready: Ready) => void;
  readonly onStages: (stages: StageTimes) => void;
  /** A leader has answered, and is told all that is wanted. */
  readonly onLed?: () => void;
  /** The stream to the leader broke, or could not be opened. */
  readonly onBroken?: (address: string) => void;
  /** What has drained, to be said again on a new stream. */
  readonly drained: () => Iterable<Target>;
  /** The same of what must go on behind a generation that Envoys know. */
  readonly behind: () => Iterable<Target>;
  readonly log: Logger;
}

type Stream = ClientDuplexStream<ActivateRequest, ActivateResponse>;

const FIRST_RETRY_MS = 20;
const LAST_RETRY_MS = 1_000;

/** This side of `Orchestrator.Activate`: one stream to the leader, on which a new one says again all that is wanted. */
export class Activation {
  readonly #options: ActivationOptions;
  /** By cluster name. */
  readonly #wanted = new Map<string, Wanted>();
  readonly #stopFollowing: () => void;
  #leader: string | undefined;
  #client: OrchestratorClient | undefined;
  #stream: Stream | undefined;
  /** The leader has answered on this stream. */
  #open = false;
  #retryMs = FIRST_RETRY_MS;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: ActivationOptions) {
    this.#options = options;
    this.#stopFollowing = options.followLeader((address) => this.#led(address));
  }

  /** Address of the leader whose stream is open. */
  get leader(): string | undefined {
    return this.#open ? this.#leader : undefined;
  }

  /**
   * Says that calls are held for the target, until it is settled.
   *
   * @param thawing id of the instance on standby that they were sent to already.
   */
  want(target: Target, heldSinceMs: number, thawing = ""): void {
    const name = clusterName(target);
    if (this.#wanted.has(name)) return;
    const wanted: Wanted = { target, heldSinceMs, thawing };
    this.#wanted.set(name, wanted);
    if (this.#open) this.#send({ $case: "wanted", value: wanted });
  }

  /** The target serves, failed, or is of no interest any more. */
  settle(name: string): void {
    this.#wanted.delete(name);
  }

  /** What is wanted and not settled. */
  wanted(): Iterable<Target> {
    return [...this.#wanted.values()].map(({ target }) => target).filter((target) => target !== undefined);
  }

  loads(value: Loads): void {
    if (this.#open) this.#send({ $case: "loads", value });
  }

  drained(target: Target): void {
    if (this.#open) this.#send({ $case: "drained", value: { target, reopened: false } });
  }

  /** What had drained has calls again, of an Envoy that came over. */
  reopened(target: Target): void {
    if (this.#open) this.#send({ $case: "drained", value: { target, reopened: true } });
  }

  /** Envoys know this generation, and Consul does not any more. */
  behind(target: Target): void {
    if (this.#open) this.#send({ $case: "behind", value: { target } });
  }

  close(): void {
    this.#closed = true;
    this.#stopFollowing();
    this.#hangUp();
  }

  #led(address: string | undefined): void {
    if (this.#closed) return;
    this.#options.log.info(
      { leader: address },
      address ? "the leading orchestrator is known" : "no orchestrator leads",
    );
    this.#hangUp();
    this.#leader = address;
    this.#retryMs = FIRST_RETRY_MS;
    if (address !== undefined) this.#connect(address);
  }

  #connect(address: string): void {
    const client = new OrchestratorClient(address, credentials.createInsecure(), {
      // The stream is the heartbeat of the mesh: a dead peer must not go unseen.
      "grpc.keepalive_time_ms": 10_000,
      "grpc.keepalive_timeout_ms": 5_000,
      "grpc.initial_reconnect_backoff_ms": 50,
      "grpc.max_reconnect_backoff_ms": LAST_RETRY_MS,
      "grpc.use_local_subchannel_pool": 1,
    });
    const stream = client.activate();
    this.#client = client;
    this.#stream = stream;
    stream.on("data", (response: ActivateResponse) => {
      if (stream === this.#stream) this.#receive(response);
    });
    stream.on("error", (error) => this.#broken(stream, error.message));
    stream.on("end", () => this.#broken(stream, "it was ended"));
    this.#send({ $case: "hello", value: { id: this.#options.id } });
  }

  #receive({ kind }: ActivateResponse): void {
    switch (kind?.$case) {
      case "leading":
        this.#open = true;
        this.#retryMs = FIRST_RETRY_MS;
        for (const value of this.#wanted.values()) this.#send({ $case: "wanted", value });
        for (const target of this.#options.drained()) this.drained(target);
        for (const target of this.#options.behind()) this.behind(target);
        this.#options.onLed?.();
        return;
      case "ready":
        this.#options.onReady(kind.value);
        return;
      case "stages":
        this.#options.onStages(kind.value);
        return;
    }
  }

  #broken(stream: Stream, why: string): void {
    if (stream !== this.#stream) return;
    const leader = this.#leader;
    this.#options.log.warn(
      { leader, retryMs: this.#retryMs },
      `the stream to the orchestrator broke: ${why}`,
    );
    this.#hangUp();
    if (leader !== undefined) this.#options.onBroken?.(leader);
    this.#timer = setTimeout(() => leader !== undefined && this.#connect(leader), this.#retryMs);
    this.#retryMs = Math.min(2 * this.#retryMs, LAST_RETRY_MS);
  }

  #hangUp(): void {
    clearTimeout(this.#timer);
    const stream = this.#stream;
    this.#stream = undefined;
    this.#open = false;
    stream?.on("error", () => undefined);
    stream?.cancel();
    this.#client?.close();
    this.#client = undefined;
  }

  #send(kind: NonNullable<ActivateRequest["kind"]>): void {
    this.#stream?.write({ kind, sentMs: steadyMs() });
  }
}
