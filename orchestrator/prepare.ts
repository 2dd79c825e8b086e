import { versionKey } from "../registry/target.ts";
import { unary } from "../sdk/grpc.ts";
import { instanceSpec } from "./agents.ts";
import type { Orchestrator } from "./orchestrator.ts";

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
  readonly #prepared = new Map<string, string>();
  #running = false;

  constructor(orchestrator: Orchestrator) {
    this.#orchestrator = orchestrator;
  }

  /** Looks for versions that no host has prepared yet. */
  kick(): void {
    if (this.#running) return;
    this.#running = true;
    // Changes come in bursts, callers' starts among them.
    setTimeout(() => {
      void this.#run().finally(() => {
        this.#running = false;
      });
    }, PAUSE_MS).unref();
  }

  async #run(): Promise<void> {
    const { mesh, agents, placer, log } = this.#orchestrator;
    for (const { key, state } of this.#candidates()) {
      const { token } = this.#orchestrator;
      if (token === undefined) return;
      const placement = placer.place(state);
      const host = mesh.hosts().find((candidate) => candidate.host === placement.host);
      if (host === undefined) continue;
      const where = `${host.host} ${host.address}`;
      if (this.#prepared.get(key) === where) continue;
      this.#prepared.set(key, where);
      try {
        const client = agents.at(host.address);
        const request = { fencingToken: token, spec: instanceSpec(state) };
        await unary(client, "prepareVersion", request, { deadlineMs: PREPARE_MS });
        placer.notePrepared(state.manifest, host.host);
      } catch (error) {
        log.warn({ err: error, version: key, host: host.host }, "version cannot be prepared");
      }
    }
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
