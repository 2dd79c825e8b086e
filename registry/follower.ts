import type { Logger } from "pino";
import { RouseError } from "../sdk/errors.ts";
import type { ConsulClient } from "./consul.ts";
import type { MeshState } from "./state.ts";
import { watchMesh } from "./watch.ts";

/** Longest time that an answer waits for Consul's first word, and for the watch to show what was just written; ms. */
const PATIENCE_MS = 5_000;

/** A watch that can be waited on: for its first state, and for a state in which something holds. */
export class MeshFollower {
  readonly #consul: ConsulClient;
  readonly #watch: ReturnType<typeof watchMesh>;
  readonly #waiting = new Set<() => void>();
  readonly #listeners = new Set<(state: MeshState) => void>();

  constructor(consul: ConsulClient, log: Logger) {
    this.#consul = consul;
    this.#watch = watchMesh(consul, { log, patient: true, onChange: () => this.#wake() });
  }

  /**
   * The newest state; the last good one while Consul is away.
   *
   * @throws RouseError UNAVAILABLE CONSUL_UNREACHABLE when nothing was ever read.
   */
  async state(): Promise<MeshState> {
    const read = this.#watch.ready.then(() => true);
    if (!(await withPatience(read))) {
      throw new RouseError(
        "UNAVAILABLE",
        `Consul at ${this.#consul.address} has not told what is registered yet. Start it, or wait until it leads.`,
        { reason: "CONSUL_UNREACHABLE" },
      );
    }
    return this.#watch.current();
  }

  /** Resolves once `holds` is true of the state; after 5 s it resolves too, for the write itself has succeeded. */
  async until(holds: (state: MeshState) => boolean): Promise<void> {
    if (holds(this.#watch.current())) return;
    const reached = Promise.withResolvers<true>();
    const check = () => holds(this.#watch.current()) && reached.resolve(true);
    this.#waiting.add(check);
    await withPatience(reached.promise);
    this.#waiting.delete(check);
  }

  /**
   * Tells each new state from now on, the first complete one too.
   *
   * @returns what ends it.
   */
  onChange(listener: (state: MeshState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves after the first complete read, however long that takes; rejects on close before it. */
  get ready(): Promise<void> {
    return this.#watch.ready;
  }

  close(): void {
    this.#watch.close();
  }

  #wake(): void {
    for (const check of this.#waiting) check();
    const state = this.#watch.current();
    for (const listener of this.#listeners) listener(state);
  }
}

/** What the promise gives, or undefined when it takes too long. */
async function withPatience<T>(promise: Promise<T>): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => late.resolve(undefined), PATIENCE_MS);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
