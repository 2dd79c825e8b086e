import type { HostState } from "../registry/hosts.ts";
import type { VersionState } from "../registry/state.ts";
import { versionKey } from "../registry/target.ts";
import { unary } from "../sdk/grpc.ts";
import { steadyMs } from "../sdk/steady.ts";
import { instanceSpec } from "./agents.ts";
import type { Orchestrator } from "./orchestrator.ts";
import { Preparations } from "./preparations.ts";

/** Versions that are kept prepared; the latest registered come first. */
const MOST_PREPARED = 32;
/** How long after a change it is looked for what to prepare, ms. */
const PAUSE_MS = 100;
/** Building an image may take long, ms. */
const PREPARE_MS = 120_000;

/**
 * Has hosts get cold versions ready (bundle, image, pre-created container), one at a time and after the changes
 * that callers wait for.
 */
export class Preparer {
  readonly #orchestrator: Orchestrator;
  readonly #preparations = new Preparations();
  #running = false;
  /** Something has changed while it was at work. */
  #changed = false;
  #retry: NodeJS.Timeout | undefined;

  constructor(orchestrator: Orchestrator) {
    this.#orchestrator = orchestrator;
  }

  /** Looks for versions that no host has prepared yet. */
  kick(): void {
    this.#changed = true;
    if (this.#running) return;
    this.#running = true;
    // Changes come in bursts, callers' starts among them.
    setTimeout(() => {
      this.#changed = false;
      void this.#run().finally(() => {
        this.#running = false;
        if (this.#changed) this.kick();
        else this.#tryAgainLater();
      });
    }, PAUSE_MS).unref();
  }

  #tryAgainLater(): void {
    clearTimeout(this.#retry);
    const againMs = this.#preparations.againMs();
    if (againMs === Number.POSITIVE_INFINITY || this.#orchestrator.token === undefined) return;
    this.#retry = setTimeout(() => this.kick(), Math.max(0, againMs - steadyMs())).unref();
  }

  async #run(): Promise<void> {
    const { mesh, placer } = this.#orchestrator;
    const candidates = this.#candidates();
    this.#preparations.keep(new Set(candidates.map(({ key }) => key)));
    for (const { key, state } of candidates) {
      const { token } = this.#orchestrator;
      if (token === undefined) return;
      const placement = placer.place(state);
      const host = mesh.hosts().find((candidate) => candidate.host === placement.host);
      if (host !== undefined) await this.#prepare(key, state, host, token);
    }
  }

  async #prepare(key: string, state: VersionState, host: HostState, token: number): Promise<void> {
    const { agents, log } = this.#orchestrator;
    const where = `${host.host} ${host.address}`;
    if (!this.#preparations.isDue(key, where, steadyMs())) return;
    const request = { fencingToken: token, spec: instanceSpec(state) };
    let err: unknown;
    try {
      const client = agents.at(host.address);
      const { precreated } = await unary(client, "prepareVersion", request, { deadlineMs: PREPARE_MS });
      // Its engine may have refused the container only; the agent's log says why.
      if (precreated || host.runtime !== "docker") return this.#preparations.done(key, where);
    } catch (error) {
      err = error;
    }
    const waitMs = this.#preparations.failed(key, where, steadyMs());
    log.warn({ err, version: key, host: host.host, waitMs }, "version cannot be prepared; it is tried again");
  }

  #candidates() {
    const versions = [...this.#orchestrator.mesh.current().services].flatMap(([service, { versions }]) =>
      [...versions].map(([version, state]) => ({ key: versionKey({ service, version }), state })),
    );
    return versions
      .filter(({ state }) => state.activation.stopped === undefined && state.barred !== true)
      .sort((a, b) => b.state.deployment.registeredAtMs - a.state.deployment.registeredAtMs)
      .slice(0, MOST_PREPARED);
  }
}
