import type { Logger } from "pino";
import { InstanceSpec, InstanceState, type StartTimes } from "#proto/rouse/agent/v1/agent.ts";
import { RouseError } from "../sdk/errors.ts";
import { steadyMs } from "../sdk/steady.ts";
import type { Bundles } from "./artifacts/bundles.ts";
import type { Copies } from "./artifacts/copies.ts";
import type { Holdings } from "./artifacts/holdings.ts";
import type { Capacity } from "./capacity.ts";
import type { Folders } from "./folders.ts";
import type { Hook } from "./hooks/hook.ts";
import { ManagedInstance } from "./instance.ts";
import type { Jobs } from "./jobs/jobs.ts";
import { OutputFiles, sweepOutput } from "./logs/output-files.ts";
import type { Prepared } from "./prepared.ts";
import type { NotifySocket } from "./readiness/notify.ts";
import { newRecord, type RecordFolder } from "./record.ts";
import type { LogQuery, OutputLine, PlacedLine, Positions, Runtime } from "./runtimes/runtime.ts";
import { checkId, checkSpec } from "./spec.ts";
import { Evictions } from "./standby/evictions.ts";

/** At most so many ended instances are remembered. */
const keepEnded = 100;
/** How often the bounds on output and on ended instances are enforced, ms. */
const tidyMs = 10_000;

export interface AgentParts {
  readonly runtime: Runtime;
  readonly folders: Folders;
  readonly notify: NotifySocket;
  readonly records: RecordFolder;
  readonly bundles: Bundles;
  readonly copies: Copies;
  readonly prepared: Prepared;
  readonly holdings: Holdings;
  readonly capacity: Capacity;
  readonly hooks: readonly Hook[];
  readonly jobs: Jobs;
  readonly keepEndedMs: number;
  readonly maxLogBytes: number;
  readonly log: Logger;
}

/** All instances of this host. */
export class Agent {
  readonly evictions: Evictions;
  readonly #parts: AgentParts;
  readonly #instances = new Map<string, ManagedInstance>();
  readonly #newcomers = new Set<(instance: ManagedInstance) => void>();
  #tidier: NodeJS.Timeout | undefined;

  constructor(parts: AgentParts) {
    this.#parts = parts;
    this.evictions = new Evictions(parts.capacity, () => this.instances, parts.log);
  }

  get instances(): readonly ManagedInstance[] {
    return [...this.#instances.values()];
  }

  get running(): readonly ManagedInstance[] {
    return this.instances.filter((instance) => !instance.hasEnded);
  }

  /** Adopts what a former agent left running, then removes what it left otherwise. To be called once, at first. */
  async recover(): Promise<void> {
    const { records, runtime, log, folders, bundles, copies, capacity, jobs } = this.#parts;
    for (const record of records.load()) {
      const instance = new ManagedInstance(record, this.#parts);
      this.#instances.set(record.id, instance);
      if (instance.hasEnded) continue;
      capacity.take(record.id, record.spec);
      if (record.runtime === runtime.name && (await instance.adopt())) continue;
      const why =
        record.runtime !== runtime.name
          ? `the agent now uses the runtime ${runtime.name} in place of ${record.runtime}`
          : record.state === InstanceState.STARTING
            ? "the agent was restarted before the instance served"
            : "it ended while no agent watched it";
      instance.bury(why);
    }
    await jobs.recover();
    const inUse = this.#bundlesInUse();
    for (const what of await runtime.sweep(inUse))
      log.info({ what }, "removed what a former agent left behind");
    await sweepOutput(folders.logs, new Set(this.#instances.keys()));
    const kept = new Set([...inUse, ...copies.digests]);
    for (const what of await bundles.sweep(kept)) log.info({ what }, "removed a bundle that nothing uses");
    this.#tidyLater();
  }

  /** As StartInstance of the API. */
  async start(id: string, given: InstanceSpec | undefined, generation: number, placed = "") {
    checkId(id);
    const spec = checkSpec(given);
    const known = this.#instances.get(id);
    if (known !== undefined) return this.#startAgain(known, spec);
    const record = newRecord({ id, spec, generation, runtime: this.#parts.runtime.name, placed });
    const { capacity, records } = this.#parts;
    const room = this.evictions.makeRoom(spec);
    capacity.reserve(id, spec);
    try {
      records.begin(record);
    } catch (error) {
      capacity.release(id);
      throw error;
    }
    const instance = new ManagedInstance(record, this.#parts);
    this.#instances.set(id, instance);
    const started = instance.start(room);
    for (const meet of this.#newcomers) meet(instance);
    const times = await started;
    this.#parts.holdings.add(spec.image || spec.bundle);
    return { instance: instance.toApi(), times };
  }

  async #startAgain(known: ManagedInstance, spec: InstanceSpec) {
    const { id, reason } = known.record;
    if (!sameSpec(known.record.spec, spec))
      throw new RouseError("ALREADY_EXISTS", `Instance ${id} exists with another spec. Choose another id.`, {
        reason: "INSTANCE_ID_TAKEN",
      });
    if (known.hasEnded)
      throw (
        known.failure ??
        new RouseError(
          "ABORTED",
          `Instance ${id} has ended and is not started again; choose another id. It ended so: ${reason}`,
          {
            reason: "INSTANCE_ENDED",
          },
        )
      );
    const times: StartTimes =
      known.record.state === InstanceState.STARTING
        ? await known.start()
        : { acceptedMs: 0, createdMs: 0, startedMs: known.record.startedAtMs, readyMs: 0 };
    return { instance: known.toApi(), times };
  }

  /** Makes later starts of a version quick, also after the agent's restart. */
  async prepare(given: InstanceSpec | undefined): Promise<boolean> {
    const spec = checkSpec(given);
    const { runtime, prepared, holdings } = this.#parts;
    prepared.add(spec);
    const precreated = await runtime.prepare(spec);
    holdings.add(spec.image || spec.bundle);
    return precreated;
  }

  /** After a restart: gets ready again what was ready before. */
  async prepareAgain(): Promise<void> {
    const { prepared, log } = this.#parts;
    for (const spec of prepared.all()) {
      const { service, version } = spec;
      await this.prepare(spec).catch((err) =>
        log.warn({ err, service, version }, "a version is not ready again"),
      );
    }
  }

  async forget(service: string, version: string): Promise<void> {
    const { runtime, prepared } = this.#parts;
    const forgotten = prepared.remove(service, version);
    await runtime.forget(service, version);
    await this.#removeUnused(forgotten.map(({ bundle }) => bundle));
  }

  /** As KeepBundles of the API. */
  async keepBundles(digests: readonly string[]): Promise<void> {
    const { copies, bundles } = this.#parts;
    await this.#removeUnused(copies.set(digests));
    const failures: unknown[] = [];
    for (const digest of digests) {
      // Another leader has said something else meanwhile.
      if (!copies.digests.has(digest)) continue;
      await bundles.copy(digest).catch((thrown: unknown) => failures.push(thrown));
      // Who has named it no more while it came found nothing to remove.
      await this.#removeUnused([digest]);
    }
    if (failures.length > 0) throw failures[0];
  }

  async #removeUnused(digests: readonly string[]): Promise<void> {
    const { bundles, copies } = this.#parts;
    const isUsed = (digest: string) => copies.digests.has(digest) || this.#bundlesInUse().has(digest);
    await bundles.removeUnused(digests, isUsed);
  }

  setGeneration(id: string, generation: number): ManagedInstance {
    const instance = this.#living(id);
    instance.setGeneration(generation);
    return instance;
  }

  /** @throws RouseError NOT_FOUND INSTANCE_UNKNOWN, INSTANCE_ENDED. */
  #living(id: string): ManagedInstance {
    const instance = this.get(id);
    if (!instance.hasEnded) return instance;
    throw new RouseError("NOT_FOUND", `Instance ${id} has ended: ${instance.record.reason}.`, {
      reason: "INSTANCE_ENDED",
    });
  }

  /** As SuspendInstance of the API. */
  async suspend(id: string, generation: number, lastUsedMs: number): Promise<ManagedInstance> {
    const instance = this.#living(id);
    await instance.standby.suspend(generation, lastUsedMs);
    return instance;
  }

  /** As ResumeInstance of the API. */
  async resume(id: string, generation: number) {
    const instance = this.#living(id);
    const times = await instance.standby.resume(generation);
    return { instance: instance.toApi(), ...times };
  }

  /** As RetireInstance of the API. */
  retire(id: string): ManagedInstance {
    const instance = this.#living(id);
    instance.retire();
    return instance;
  }

  /** @throws RouseError NOT_FOUND INSTANCE_UNKNOWN. */
  get(id: string): ManagedInstance {
    const instance = this.#instances.get(id);
    if (instance !== undefined) return instance;
    throw new RouseError(
      "NOT_FOUND",
      `This host has no instance "${id}". "rouse status" lists those there are.`,
      {
        reason: "INSTANCE_UNKNOWN",
      },
    );
  }

  /** Tells each new instance. @returns what stops that. */
  onNewcomer(meet: (instance: ManagedInstance) => void): () => void {
    this.#newcomers.add(meet);
    return () => this.#newcomers.delete(meet);
  }

  /** Output of an instance, whether it runs or has ended. With follow it waits for one that is about to start. */
  async *output(instance: ManagedInstance, query: LogQuery): AsyncGenerator<OutputLine> {
    if (query.follow) await Promise.race([instance.launched, instance.over]);
    const files = new OutputFiles(this.#parts.folders.logs, instance.record.id);
    const live = instance.hasEnded ? undefined : instance.unit;
    yield* live === undefined ? files.read({ ...query, follow: false }, Promise.resolve()) : live.logs(query);
  }

  /** As {@link Unit.linesAfter}, of an instance that runs, is about to start, or has ended. */
  async *linesAfter(
    instance: ManagedInstance,
    positions: Positions,
    signal: AbortSignal,
  ): AsyncGenerator<PlacedLine> {
    await Promise.race([instance.launched, instance.over]);
    const live = instance.hasEnded ? undefined : instance.unit;
    const files = new OutputFiles(this.#parts.folders.logs, instance.record.id);
    yield* live === undefined
      ? files.after(positions, Promise.resolve(), signal)
      : live.linesAfter(positions, signal);
  }

  async stopAll(reason: string): Promise<void> {
    const instances = this.running.map((instance) => instance.stop(0, reason));
    await Promise.all([...instances, this.#parts.jobs.stopAll(reason)]);
  }

  close(): void {
    clearTimeout(this.#tidier);
  }

  /** Digests of the bundles that something runs from, or is to be ready to. */
  #bundlesInUse(): ReadonlySet<string> {
    const specs = [...this.running.map(({ record }) => record.spec), ...this.#parts.prepared.all()];
    return new Set([...specs.map(({ bundle }) => bundle), ...this.#parts.jobs.bundles]);
  }

  #tidyLater(): void {
    this.#tidier = setTimeout(() => {
      void this.#tidy()
        .catch((err) => this.#parts.log.warn({ err }, "output files cannot be kept within their bounds"))
        .then(() => this.#tidyLater());
    }, tidyMs).unref();
  }

  async #tidy(): Promise<void> {
    const { folders, maxLogBytes, keepEndedMs, records } = this.#parts;
    for (const { record } of this.running) await new OutputFiles(folders.logs, record.id).bound(maxLogBytes);
    const ended = this.instances
      .filter((instance) => instance.hasEnded)
      .sort((a, b) => b.record.endedAtMs - a.record.endedAtMs);
    const old = ended.filter(
      ({ record }, rank) => rank >= keepEnded || steadyMs() - record.endedAtMs > keepEndedMs,
    );
    for (const { record } of old) {
      this.#instances.delete(record.id);
      records.remove(record.id);
      await new OutputFiles(folders.logs, record.id).remove();
    }
  }
}

function sameSpec(a: InstanceSpec, b: InstanceSpec): boolean {
  return Buffer.from(InstanceSpec.encode(a).finish()).equals(InstanceSpec.encode(b).finish());
}
