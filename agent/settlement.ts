import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { followQuery } from "../registry/blocking.ts";
import type { ConsulClient } from "../registry/consul.ts";
import {
  type HostLoss,
  type HostModeState,
  parseHostRecord,
  updateHostRecord,
} from "../registry/host-record.ts";
import { hostKey } from "../registry/keys.ts";
import { kvListSchema, kvPath } from "../registry/kv.ts";
import { RouseError } from "../sdk/errors.ts";
import type { Agent } from "./agent.ts";
import type { Fencing } from "./fencing.ts";

/** Pause before the record is taken away again when that failed, ms. */
const AGAIN_MS = 500;

/**
 * What a host does that was declared dead and is not: everything that runs on it was replaced elsewhere, so it is stopped, and
 * only then the record is taken away by which the leader knows that it may place something here again.
 */
export class Settlement {
  readonly #consul: ConsulClient;
  readonly #host: string;
  readonly #agent: Agent;
  readonly #fencing: Fencing;
  readonly #log: Logger;
  readonly #onMode: (mode: HostModeState | undefined) => void;
  readonly #closing = new AbortController();
  #loss: HostLoss | undefined;

  /** @param onMode Told what is wanted of this host, at first and with each change of its record. */
  constructor(
    consul: ConsulClient,
    host: string,
    agent: Agent,
    fencing: Fencing,
    onMode: (mode: HostModeState | undefined) => void,
    log: Logger,
  ) {
    this.#onMode = onMode;
    this.#consul = consul;
    this.#host = host;
    this.#agent = agent;
    this.#fencing = fencing;
    this.#log = log;
  }

  /** Begins to follow this host's record. */
  start(): void {
    void followQuery(
      this.#consul,
      {
        path: kvPath(hostKey(this.#host)),
        accept: [404],
        onAnswer: (response) => {
          const item = response.status === 404 ? undefined : kvListSchema.parse(JSON.parse(response.text))[0];
          const { lost: loss, mode } = item === undefined ? {} : parseHostRecord(item);
          this.#onMode(mode);
          const known = this.#loss;
          this.#loss = loss;
          if (loss !== undefined && loss.atMs !== known?.atMs) void this.#settle(loss);
        },
      },
      this.#closing.signal,
    );
  }

  /**
   * Whether something new may start here.
   *
   * @throws RouseError UNAVAILABLE HOST_SETTLING.
   */
  check(): void {
    if (this.#loss === undefined) return;
    throw new RouseError(
      "UNAVAILABLE",
      `Host ${this.#host} was declared dead at ${new Date(this.#loss.atMs).toISOString()} and first stops what was replaced elsewhere; try again in a moment.`,
      { reason: "HOST_SETTLING", metadata: { host: this.#host } },
    );
  }

  close(): void {
    this.#closing.abort();
  }

  async #settle(loss: HostLoss): Promise<void> {
    const orphans = this.#agent.running.length;
    this.#log.warn(
      { orphans, since: new Date(loss.atMs).toISOString() },
      "this host was declared dead: what runs here was replaced elsewhere and is stopped",
    );
    try {
      // Whoever led before that has nothing to say here any more.
      this.#fencing.check(loss.token);
    } catch {
      // A newer leader was heard of already.
    }
    await this.#agent.stopAll("its host was declared dead, and it was replaced elsewhere");
    while (!this.#closing.signal.aborted) {
      try {
        await updateHostRecord(this.#consul, this.#host, (record) => {
          if (record.lost?.atMs !== loss.atMs) return record;
          const { lost: _settled, ...rest } = record;
          return rest;
        });
        this.#log.info({ orphans }, "this host takes instances again");
        return;
      } catch (err) {
        this.#log.debug({ err }, "Consul does not take the settlement; it is tried again");
        await sleep(AGAIN_MS, undefined, { signal: this.#closing.signal }).catch(() => undefined);
      }
    }
  }
}
