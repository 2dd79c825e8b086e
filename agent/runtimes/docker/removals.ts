import type { ContainerInfo } from "dockerode";
import type { Logger } from "pino";
import { labels } from "./container-options.ts";
import { type Engine, statusOf } from "./engine.ts";

/** How often removing what could not be removed at once is tried again, ms. */
const againMs = 2_000;

/** Removes containers, and while the engine is away goes on trying, so that none is forgotten. */
export class Removals {
  readonly #engine: Engine;
  readonly #log: Logger;
  readonly #pending = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(engine: Engine, log: Logger) {
    this.#engine = engine;
    this.#log = log;
  }

  /** Resolves when it is removed, or when that was tried once and is left for later. */
  async remove(container: string): Promise<void> {
    try {
      await this.#engine.docker.getContainer(container).remove({ force: true, v: true });
    } catch (err) {
      // Not there, or being removed by somebody else.
      if (statusOf(err) === 404 || statusOf(err) === 409) return;
      this.#log.warn({ err, container }, "a container could not be removed; it is tried again");
      this.#pending.add(container);
      this.#timer ??= setTimeout(() => void this.#again(), againMs).unref();
    }
  }

  /**
   * Removes an owner's containers of which nobody knows any more.
   *
   * @returns what was removed, for people.
   */
  async sweep(owner: string, isLeft: (container: ContainerInfo) => boolean): Promise<string[]> {
    const filters = { label: [`${labels.owner}=${owner}`] };
    const left = (await this.#engine.docker.listContainers({ all: true, filters })).filter(isLeft);
    // Instances before the sandboxes whose network they use.
    left.sort((a, b) => (a.Labels[labels.kind] ?? "").localeCompare(b.Labels[labels.kind] ?? ""));
    for (const { Id } of left) await this.remove(Id);
    return left.map(({ Names }) => `container ${Names[0] ?? ""}`);
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  async #again(): Promise<void> {
    const pending = [...this.#pending];
    this.#pending.clear();
    this.#timer = undefined;
    for (const container of pending) await this.remove(container);
  }
}
