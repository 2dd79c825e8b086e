import { existsSync } from "node:fs";
import type { Logger } from "pino";
import { z } from "zod";
import type { InstanceSpec } from "#proto/rouse/agent/v1/agent.ts";
import { RouseError } from "../../../sdk/errors.ts";
import type { Bundles } from "../../artifacts/bundles.ts";
import type { Folders } from "../../folders.ts";
import { Images } from "../../image/images.ts";
import { DockerJobs } from "../../jobs/docker.ts";
import type { JobSandboxes } from "../../jobs/sandboxes.ts";
import { OutputFiles } from "../../logs/output-files.ts";
import type { Launch, Runtime, Unit } from "../runtime.ts";
import { compileAhead } from "./compile.ts";
import { type ContainerSettings, type ImageFacts, labels, optionsHash, portOf } from "./container-options.ts";
import { DockerUnit } from "./docker-unit.ts";
import { type Engine, statusOf } from "./engine.ts";
import { ImageStore } from "./image-store.ts";
import { Removals } from "./removals.ts";
import { Sandboxes } from "./sandboxes.ts";
import { type Slot, SlotMaker } from "./slots.ts";

const handleSchema = z.object({
  name: z.string(),
  container: z.string(),
  sandbox: z.object({
    id: z.string(),
    ip: z.string(),
    published: z.object({ port: z.number(), address: z.string() }).exactOptional(),
  }),
});

/** A version that is kept ready. */
interface Ready {
  readonly spec: InstanceSpec;
  readonly hash: string;
  slot: Promise<Slot> | undefined;
}

export interface DockerRuntimeOptions {
  readonly engine: Engine;
  readonly settings: ContainerSettings;
  readonly folders: Folders;
  readonly bundles: Bundles;
  /** As {@link Runtime.warnings}. */
  readonly warnings: readonly string[];
  readonly log: Logger;
}

/** Runs instances as containers of a Docker-compatible engine. */
export class DockerRuntime implements Runtime {
  readonly name = "docker";
  readonly unenforced: readonly string[] = [];
  readonly warnings: readonly string[];
  readonly jobs: JobSandboxes;
  readonly #options: DockerRuntimeOptions;
  readonly #images: ImageStore;
  readonly #removals: Removals;
  readonly #sandboxes: Sandboxes;
  readonly #slots: SlotMaker;
  readonly #ready = new Map<string, Ready>();
  /** By folder, what is compiled now. */
  readonly #compiling = new Map<string, Promise<void>>();
  /** Ids of containers that instances use. */
  readonly #used = new Set<string>();
  readonly #detached = new AbortController();

  private constructor(options: DockerRuntimeOptions, images: ImageStore, sandboxImage: string) {
    this.warnings = options.warnings;
    const { engine, settings, log } = options;
    this.#options = options;
    this.#images = images;
    this.#removals = new Removals(engine, log);
    this.#sandboxes = new Sandboxes(engine, this.#removals, sandboxImage, settings.owner, log, settings.bind);
    this.#slots = new SlotMaker(engine, this.#sandboxes, this.#removals, settings);
    const { bundles } = options;
    const [removals, detached] = [this.#removals, this.#detached.signal];
    this.jobs = new DockerJobs({ engine, images, bundles, removals, settings, detached, log });
  }

  /**
   * Tries the engine out: loads the sandbox image, starts one, and looks whether it can be reached.
   *
   * @throws RouseError CONTAINERS_UNREACHABLE, ENGINE_UNAVAILABLE, ENGINE_REFUSED, IMAGE_NEEDS_LINUX.
   */
  static async open(options: DockerRuntimeOptions): Promise<DockerRuntime> {
    const { engine, folders, log } = options;
    const images = new ImageStore(engine, new Images(folders.layers));
    try {
      const runtime = new DockerRuntime(options, images, await images.sandbox());
      try {
        await runtime.#sandboxes.checkReachable();
        engine.guard(runtime.#detached.signal, () => void runtime.#renew());
      } catch (error) {
        await runtime.#sandboxes.close();
        throw error;
      }
      images.base().catch((err) => log.warn({ err }, "the base image could not be loaded ahead"));
      return runtime;
    } catch (error) {
      throw engine.explain(error, "to start a container");
    }
  }

  precreated(): number {
    return [...this.#ready.values()].filter(({ slot }) => slot !== undefined).length;
  }

  async prepare(spec: InstanceSpec): Promise<boolean> {
    await this.#compile(spec);
    const image = await this.#image(spec);
    const hash = optionsHash(spec, image, this.#options.settings);
    const key = keyOf(spec);
    const before = this.#ready.get(key);
    if (before?.hash !== hash) {
      if (before !== undefined) await this.#drop(before);
      this.#ready.set(key, { spec, hash, slot: undefined });
    }
    await this.#fill(key);
    this.#sandboxes.refill();
    return this.#ready.get(key)?.slot !== undefined;
  }

  async forget(service: string, version: string): Promise<void> {
    const ready = this.#ready.get(keyOf({ service, version }));
    if (ready === undefined) return;
    this.#ready.delete(keyOf(ready.spec));
    await this.#drop(ready);
    if (ready.spec.bundle !== "") await this.#images.forget(ready.spec.bundle);
  }

  async start(launch: Launch): Promise<Unit> {
    const { spec, signal } = launch;
    await this.#options.engine.check();
    try {
      const slot = await this.#startSlot(launch);
      this.#use(slot);
      if (!signal.aborted) return this.#unit(launch.id, spec, slot);
      await this.#giveBack(slot);
      throw signal.reason;
    } catch (error) {
      void this.#fill(keyOf(spec));
      if (signal.aborted) throw signal.reason;
      throw this.#options.engine.explain(error, `to start ${spec.service} ${spec.version}`);
    }
  }

  async adopt(
    id: string,
    spec: InstanceSpec,
    handle: Readonly<Record<string, unknown>>,
  ): Promise<Unit | undefined> {
    const parsed = handleSchema.safeParse(handle);
    if (!parsed.success) return undefined;
    try {
      await this.#options.engine.docker.getContainer(parsed.data.container).inspect();
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw this.#options.engine.explain(error, "to look for a container");
    }
    this.#use(parsed.data);
    return this.#unit(id, spec, parsed.data);
  }

  async sweep(bundles: ReadonlySet<string>): Promise<readonly string[]> {
    // Old images are no hurry, and many of them would hold up the agent's start.
    this.#images.prune(bundles).catch((err) => this.#options.log.warn({ err }, "old images are left behind"));
    return this.#sweepContainers();
  }

  async #sweepContainers(): Promise<readonly string[]> {
    const known = new Set([...this.#used, ...(await this.#sandboxes.spares())]);
    // Jobs know their own.
    return this.#removals.sweep(
      this.#options.settings.owner,
      ({ Id, Labels }) => !known.has(Id) && Labels[labels.kind] !== "job",
    );
  }

  async close(): Promise<void> {
    this.#detached.abort();
    const ready = [...this.#ready.values()];
    this.#ready.clear();
    await Promise.all(ready.map((one) => this.#drop(one)));
    await this.#sandboxes.close();
    // What could not be removed while the engine was away.
    await this.#sweepContainers().catch((err) =>
      this.#options.log.warn({ err }, "containers may be left behind"),
    );
    this.#removals.close();
  }

  /** Starts the pre-created container when there is one that still can be started, else a new one. */
  async #startSlot({ spec, signal, created }: Launch): Promise<Slot> {
    const slot = await this.#takeReady(spec);
    if (slot !== undefined) {
      created();
      try {
        await this.#startContainer(slot);
        return slot;
      } catch (err) {
        const { service, version } = spec;
        this.#options.log.warn(
          { err, service, version },
          "a pre-created container did not start; a new one is made",
        );
      }
    }
    const made = await this.#makeSlot(spec);
    if (signal.aborted) {
      await this.#giveBack(made);
      throw signal.reason;
    }
    created();
    await this.#startContainer(made);
    return made;
  }

  async #image(spec: InstanceSpec): Promise<ImageFacts> {
    const facts = await this.#images.ensure(spec, this.#options.bundles);
    const cache = this.#compileCache(spec);
    return cache !== undefined && existsSync(cache) ? { ...facts, compileCache: cache } : facts;
  }

  #compileCache({ bundle }: InstanceSpec): string | undefined {
    const { bundles, settings } = this.#options;
    return bundle === ""
      ? undefined
      : `${bundles.compileCache(bundle)}/image-${settings.user.replace(":", "-")}`;
  }

  /** Compiles a bundle ahead, once. A service that cannot be compiled ahead just starts a little slower. */
  #compile(spec: InstanceSpec): Promise<void> {
    const folder = this.#compileCache(spec);
    if (folder === undefined || existsSync(folder)) return Promise.resolve();
    const { engine, settings, log } = this.#options;
    const { user, owner } = settings;
    const compile = async () => {
      const { id: image } = await this.#image(spec);
      try {
        await compileAhead(engine, this.#removals, { image, user, owner, folder });
      } catch (err) {
        log.info(
          { err, service: spec.service, version: spec.version },
          "the bundle could not be compiled ahead",
        );
      }
    };
    const compiling = this.#compiling.get(folder) ?? compile().finally(() => this.#compiling.delete(folder));
    this.#compiling.set(folder, compiling);
    return compiling;
  }

  async #makeSlot(spec: InstanceSpec): Promise<Slot> {
    try {
      return await this.#slots.make(spec, await this.#image(spec));
    } catch (error) {
      if (statusOf(error) !== 404) throw error;
      // The image was removed behind our back: once more from the beginning.
      this.#images.distrust(spec);
      return this.#slots.make(spec, await this.#image(spec));
    }
  }

  async #startContainer(slot: Slot): Promise<void> {
    try {
      await this.#options.engine.docker.getContainer(slot.container).start();
    } catch (error) {
      await this.#giveBack(slot);
      throw error;
    }
  }

  async #takeReady(spec: InstanceSpec): Promise<Slot | undefined> {
    const ready = this.#ready.get(keyOf(spec));
    if (ready?.slot === undefined) return undefined;
    const image = await this.#image(spec);
    if (ready.hash !== optionsHash(spec, image, this.#options.settings)) return undefined;
    const slot = ready.slot;
    ready.slot = undefined;
    return slot?.catch(() => undefined);
  }

  /** Pre-creates the next container of a version that is kept ready. */
  async #fill(key: string): Promise<void> {
    const ready = this.#ready.get(key);
    if (ready === undefined || this.#detached.signal.aborted) return;
    ready.slot ??= this.#makeSlot(ready.spec);
    const slot = ready.slot;
    try {
      await slot;
    } catch (err) {
      if (ready.slot === slot) ready.slot = undefined;
      this.#options.log.warn({ err, version: key }, "no container could be made ahead");
    }
  }

  /** After an absence of the engine: what stood ready may have ended with it, or could not be made. */
  async #renew(): Promise<void> {
    await this.#sandboxes.renew();
    for (const [key, ready] of this.#ready) {
      const made = ready.slot;
      const slot = await made?.catch(() => undefined);
      if (slot !== undefined && !(await this.#sandboxes.runs(slot.sandbox)) && ready.slot === made)
        await this.#drop(ready);
      await this.#fill(key);
    }
    if (!this.#detached.signal.aborted) this.#sandboxes.refill();
  }

  async #drop(ready: Ready): Promise<void> {
    const slot = await ready.slot?.catch(() => undefined);
    ready.slot = undefined;
    if (slot !== undefined) await this.#giveBack(slot);
  }

  #unit(instance: string, spec: InstanceSpec, slot: Slot): DockerUnit {
    const { engine, folders } = this.#options;
    return new DockerUnit({
      engine,
      slot,
      instance,
      port: portOf(spec),
      cpu: spec.cpu,
      output: new OutputFiles(folders.logs, instance),
      detached: this.#detached.signal,
      settled: () => {
        void this.#fill(keyOf(spec)).then(() => {
          if (!this.#detached.signal.aborted) this.#sandboxes.refill();
        });
      },
      remove: () => this.#giveBack(slot),
    });
  }

  #use(slot: Slot): void {
    this.#used.add(slot.container).add(slot.sandbox.id);
  }

  async #giveBack(slot: Slot): Promise<void> {
    await this.#slots.remove(slot);
    this.#used.delete(slot.container);
    this.#used.delete(slot.sandbox.id);
  }
}

function keyOf({ service, version }: { service: string; version: string }): string {
  return `${service}@${version}`;
}

/** For a caller that insists on this runtime. */
export function engineMissing(cause: RouseError): RouseError {
  return new RouseError("FAILED_PRECONDITION", `The runtime docker cannot be used: ${cause.message}`, {
    reason: "ENGINE_MISSING",
    cause,
  });
}
