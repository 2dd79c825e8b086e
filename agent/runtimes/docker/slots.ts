import { randomBytes } from "node:crypto";
import type { InstanceSpec } from "#proto/rouse/agent/v1/agent.ts";
import { type ContainerSettings, containerOptions, type ImageFacts, portOf } from "./container-options.ts";
import type { Engine } from "./engine.ts";
import type { Removals } from "./removals.ts";
import type { Sandbox, Sandboxes } from "./sandboxes.ts";

/** A container that is created but may not be started yet, with the sandbox whose network it joins. */
export interface Slot {
  /** What the container announces itself by: it is made before the instance's id is known. */
  readonly name: string;
  readonly container: string;
  readonly sandbox: Sandbox;
}

/** Makes and removes containers together with their sandboxes. */
export class SlotMaker {
  readonly #engine: Engine;
  readonly #sandboxes: Sandboxes;
  readonly #removals: Removals;
  readonly #settings: ContainerSettings;

  constructor(engine: Engine, sandboxes: Sandboxes, removals: Removals, settings: ContainerSettings) {
    this.#engine = engine;
    this.#sandboxes = sandboxes;
    this.#removals = removals;
    this.#settings = settings;
  }

  /** Creates the container of a spec. Throws what the engine throws; then nothing is left. */
  async make(spec: InstanceSpec, image: ImageFacts): Promise<Slot> {
    const sandbox = await this.#sandboxes.take(portOf(spec));
    const name = `slot-${randomBytes(6).toString("hex")}`;
    const options = containerOptions(spec, image, name, this.#settings);
    try {
      const container = await this.#engine.docker.createContainer({
        ...options,
        name: `rouse-${name}`,
        HostConfig: { ...options.HostConfig, NetworkMode: `container:${sandbox.id}` },
      });
      return { name, container: container.id, sandbox };
    } catch (error) {
      await this.#removals.remove(sandbox.id);
      throw error;
    }
  }

  /** Removes both, whatever state they are in. */
  async remove(slot: Slot): Promise<void> {
    await this.#removals.remove(slot.container);
    await this.#removals.remove(slot.sandbox.id);
  }
}
