import { setTimeout as sleep } from "node:timers/promises";
import { credentials } from "@grpc/grpc-js";
import type { Logger } from "pino";
import { LogIntakeClient } from "#proto/rouse/intake/v1/intake.ts";
import { unary } from "../../sdk/grpc.ts";
import type { Agent } from "../agent.ts";
import type { ManagedInstance } from "../instance.ts";
import type { PlacedLine, Positions } from "../runtimes/runtime.ts";
import { gather } from "./gather.ts";

/** Most lines of a batch, and how long the first one waits for others; ms. */
const BATCH_LINES = 256;
const GATHER_MS = 50;
/** A new instance's first calls have the cores for themselves; ms. */
const FIRST_MS = 300;
/** Between two tries when the registry, or the engine, is away; ms. */
const RETRY_MS = 1_000;
/** How long the last lines may take when the agent ends; ms. */
const LAST_MS = 1_500;

/**
 * Hands all output of this host's instances over to the registry, where it outlives instance and host. Output files are the
 * buffer: while the registry is away nothing is read, and later it goes on from where the registry is.
 */
export class LogShipper {
  readonly #agent: Agent;
  readonly #host: string;
  readonly #log: Logger;
  readonly #registry: LogIntakeClient;
  readonly #closing = new AbortController();
  readonly #underway = new Map<ManagedInstance, Promise<void>>();
  #stop = () => {};
  #away = false;

  /** @param registry "host:port". */
  constructor(agent: Agent, registry: string, host: string, log: Logger) {
    this.#agent = agent;
    this.#host = host;
    this.#log = log;
    this.#registry = new LogIntakeClient(registry, credentials.createInsecure(), {
      "grpc.enable_http_proxy": 0,
      "grpc.service_config_disable_resolution": 1,
      "grpc.max_reconnect_backoff_ms": 5_000,
    });
  }

  start(): void {
    for (const instance of this.#agent.instances) this.#begin(instance, undefined);
    this.#stop = this.#agent.onNewcomer((instance) => this.#begin(instance, { stdout: 0, stderr: 0 }));
  }

  /** Hands over the last words of what has ended, and lets go of the rest. */
  async close(): Promise<void> {
    this.#stop();
    const ended = [...this.#underway].filter(([instance]) => instance.hasEnded).map(([, work]) => work);
    const late = new AbortController();
    await Promise.race([
      Promise.all(ended),
      sleep(LAST_MS, undefined, { signal: late.signal }).catch(() => {}),
    ]);
    late.abort();
    this.#closing.abort();
    this.#registry.close();
  }

  #begin(instance: ManagedInstance, positions: Positions | undefined): void {
    const work = this.#ship(instance, positions).finally(() => this.#underway.delete(instance));
    this.#underway.set(instance, work);
  }

  async #ship(instance: ManagedInstance, known: Positions | undefined): Promise<void> {
    const { signal } = this.#closing;
    if (known !== undefined) await Promise.race([this.#wait(FIRST_MS), instance.over]);
    const { id } = instance.record;
    const ask = () => unary(this.#registry, "getPositions", { instance: id }, { signal });
    let positions = known ?? (await this.#insist(ask));
    while (!signal.aborted && positions !== undefined) {
      const ended = instance.hasEnded;
      try {
        for await (const lines of gather(
          this.#agent.linesAfter(instance, positions, signal),
          BATCH_LINES,
          GATHER_MS,
        )) {
          await this.#insist(() =>
            unary(this.#registry, "appendLines", this.#request(instance, lines), { signal }),
          );
          positions = newest(positions, lines);
        }
        return;
      } catch (err) {
        // Its runtime let go of it, such as by an engine that restarts.
        if (ended || signal.aborted) return;
        this.#log.debug({ err, instance: id }, "output cannot be read; it is tried again");
        await this.#wait(RETRY_MS);
      }
    }
  }

  #request({ record: { id, spec } }: ManagedInstance, lines: readonly PlacedLine[]) {
    return {
      host: this.#host,
      instance: id,
      service: spec.service,
      version: spec.version,
      lines: lines.map(({ stream, atMs, position, line }) => ({
        atMs,
        stderr: stream === "stderr",
        position,
        text: line,
      })),
    };
  }

  /** Tries until the registry answers; undefined when the agent ends before. */
  async #insist<T>(call: () => Promise<T>): Promise<T | undefined> {
    while (!this.#closing.signal.aborted) {
      try {
        const answer = await call();
        if (this.#away) this.#log.info("the registry takes output again");
        this.#away = false;
        return answer;
      } catch (err) {
        if (!this.#away && !this.#closing.signal.aborted)
          this.#log.warn(
            { err },
            "the registry does not take output; it is kept here, and tried until it does",
          );
        this.#away = true;
        await this.#wait(RETRY_MS);
      }
    }
    return undefined;
  }

  #wait(ms: number): Promise<void> {
    return sleep(ms, undefined, { signal: this.#closing.signal, ref: false }).catch(() => {});
  }
}

function newest(positions: Positions, lines: readonly PlacedLine[]): Positions {
  const next = { ...positions };
  for (const { stream, position } of lines) next[stream] = Math.max(next[stream], position);
  return next;
}
