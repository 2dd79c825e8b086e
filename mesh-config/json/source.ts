import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import type { Logger } from "pino";
import { exposedServices, exposedUnsorted } from "../../registry/exposed.ts";
import type { MeshState, VersionManifest } from "../../registry/state.ts";
import { type Resource, resourceOfBytes } from "../xds/resource.ts";
import { type CanonicalFile, canonicalService } from "./canonical.ts";
import { JSON_FILTER, jsonFilterConfig } from "./filter.ts";
import { type JsonCandidate, type JsonGap, mergeDescriptors } from "./merge.ts";
import { Trials } from "./trials.ts";

/** Reads the descriptor set of a registered version; undefined when it is gone. */
export type ReadDescriptorSet = (service: string, version: string) => Promise<Uint8Array | undefined>;

/** Descriptor sets that are read at one time. */
const READERS = 4;
const RETRY_MS = 2_000;
/** Registrations that come together make one configuration: it is large, and Envoy builds its types anew for each. */
const QUIET_MS = 50;
/**
 * Envoy's main thread, which also takes the clusters of woken services, needs 0.35 ms for each service of a configuration (measured
 * with 1,000 services of 8 messages). So that this is a small part of its time, the next one waits.
 */
const REST_MS_PER_SERVICE = 5;

interface Contract {
  readonly service: string;
  readonly version: string;
  /** A manifest's object stands for one registration. */
  readonly manifest: VersionManifest;
}

/** Keeps the configuration of the edge's JSON in step with the default versions of the external services. */
export class JsonMethods {
  readonly #read: ReadDescriptorSet;
  readonly #publish: (config: Resource) => void;
  readonly #log: Logger;
  readonly #known = new Map<VersionManifest, JsonCandidate | JsonGap>();
  #files = new Map<string, CanonicalFile>();
  readonly #trials = new Trials<VersionManifest>();
  /** What Envoy said of versions that it refused: it is not asked again. */
  readonly #refusals = new Map<string, string>();
  #version = "";
  /** Undefined before the first state: Envoys may have what is there no more. */
  #wanted: readonly Contract[] | undefined;
  #gaps: readonly JsonGap[] = [];
  #services: readonly string[] = [];
  #said = "";
  #publishedAtMs = Number.NEGATIVE_INFINITY;
  #working = false;
  #again = false;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(read: ReadDescriptorSet, publish: (config: Resource) => void, log: Logger) {
    this.#read = read;
    this.#publish = publish;
    this.#log = log;
  }

  /** Services whose methods are called in JSON, and what cannot be. */
  get status(): { readonly services: readonly string[]; readonly gaps: readonly JsonGap[] } {
    return { services: this.#services, gaps: this.#gaps };
  }

  meshChanged(state: MeshState): void {
    // Most changes are of instances.
    const found = exposedUnsorted(state);
    const wanted = new Set(this.#wanted?.map(({ manifest }) => manifest));
    if (
      this.#wanted &&
      found.length === wanted.size &&
      found.every(({ state: { manifest } }) => wanted.has(manifest))
    )
      return;
    this.#wanted = exposedServices(state).map(({ service, version, state: { manifest } }) => ({
      service,
      version,
      manifest,
    }));
    this.#soon(QUIET_MS);
  }

  /** Every Envoy has taken the newest configuration. */
  accepted(): void {
    if (this.#trials.accepted()) this.#soon(0);
  }

  /** An Envoy has refused it, and keeps the last: whoever brought what it cannot read is found by halves. */
  refused(versions: readonly string[], message: string): void {
    if (!versions.includes(this.#version)) return;
    this.#refusals.set(this.#version, message);
    const bad = this.#trials.refused(message);
    if (bad !== undefined)
      this.#log.error({ envoy: message }, "Envoy cannot read a contract: it has no JSON");
    this.#soon(0);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #soon(afterMs: number): void {
    // What is waiting already takes this along; registrations without a pause must not put it off.
    if (this.#closed || this.#timer !== undefined) return;
    const rested = this.#publishedAtMs + this.#services.length * REST_MS_PER_SERVICE - performance.now();
    this.#timer = setTimeout(() => void this.#work(), Math.max(afterMs, rested)).unref();
  }

  async #work(): Promise<void> {
    this.#timer = undefined;
    if (this.#working) {
      this.#again = true;
      return;
    }
    this.#working = true;
    try {
      await this.#load();
      if (!this.#closed) this.#build();
    } catch (err) {
      this.#log.warn({ err }, "Contracts cannot be read now: the edge's JSON stays as it is for a while");
      this.#soon(RETRY_MS);
    } finally {
      this.#working = false;
      if (this.#again) this.#soon(0);
      this.#again = false;
    }
  }

  /** Reads what is not known yet, and forgets what is wanted no more. */
  async #load(): Promise<void> {
    const all = this.#wanted ?? [];
    const wanted = new Set(all.map(({ manifest }) => manifest));
    for (const manifest of this.#known.keys()) if (!wanted.has(manifest)) this.#known.delete(manifest);
    const used = [...this.#known.values()].flatMap((one) => ("files" in one ? one.files : []));
    this.#files = new Map(used.map((file) => [file.name, file]));
    const missing = all.filter(({ manifest }) => !this.#known.has(manifest));
    const next = missing.values();
    await Promise.all(
      Array.from({ length: Math.min(READERS, missing.length) }, async () => {
        for (const contract of next) await this.#loadOne(contract);
      }),
    );
  }

  async #loadOne({ service, version, manifest }: Contract): Promise<void> {
    const bytes = await this.#read(service, version);
    if (bytes === undefined) return;
    try {
      const found = createFileRegistry(fromBinary(FileDescriptorSetSchema, bytes)).getService(service);
      if (found === undefined) throw new Error("it lacks the service");
      this.#known.set(manifest, { ...this.#shared(canonicalService(found)), version });
    } catch (error) {
      const reason = `Its descriptor set cannot be used: ${(error as Error).message}.`;
      this.#known.set(manifest, { service, version, reason });
    }
  }

  /** Equal files of many services are kept once. */
  #shared(canonical: ReturnType<typeof canonicalService>): ReturnType<typeof canonicalService> {
    const files = canonical.files.map((file) => {
      const known = this.#files.get(file.name) ?? file;
      this.#files.set(file.name, known);
      return known;
    });
    return { ...canonical, files };
  }

  #build(): void {
    const candidates: JsonCandidate[] = [];
    const gaps: JsonGap[] = [];
    const all = this.#wanted ?? [];
    const tried = this.#trials.begin(all.map(({ manifest }) => manifest));
    for (const { service, version, manifest } of all) {
      const found = this.#known.get(manifest);
      const refusal = this.#trials.refusal(manifest);
      if (found === undefined) continue;
      if ("reason" in found) gaps.push(found);
      else if (refusal !== undefined)
        gaps.push({ service, version, reason: `Envoy cannot read its contract: ${refusal}` });
      else if (tried.has(manifest)) candidates.push(found);
    }
    const merged = mergeDescriptors(candidates);
    this.#services = merged.services;
    this.#gaps = [...gaps, ...merged.gaps];
    this.#tell();
    const config = resourceOfBytes("extension", JSON_FILTER, jsonFilterConfig(merged), 1);
    this.#version = config.version;
    const refusal = this.#refusals.get(config.version);
    if (refusal === undefined) {
      this.#publishedAtMs = performance.now();
      this.#publish(config);
    } else this.refused([config.version], refusal);
  }

  #tell(): void {
    const said = JSON.stringify(this.#gaps);
    if (said !== this.#said && this.#gaps.length > 0)
      this.#log.warn({ gaps: this.#gaps }, "Not everything that is external can be called in JSON");
    this.#said = said;
  }
}
