import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { InstanceSpec, InstanceState } from "#proto/rouse/agent/v1/agent.ts";
import { diskFull } from "../sdk/disk-full.ts";
import { readJson, writeJson } from "./json-file.ts";
import { runtimeNames } from "./runtimes/runtime.ts";

/** The spec as the contract has it; what an older agent wrote gets today's defaults. */
export const specSchema = z
  .custom<Partial<InstanceSpec>>((value) => typeof value === "object" && value !== null)
  .transform((value) => InstanceSpec.fromPartial(value));

const recordSchema = z.object({
  id: z.string(),
  spec: specSchema,
  generation: z.number().int().min(0),
  state: z.enum(InstanceState),
  runtime: z.enum(runtimeNames),
  address: z.string(),
  runtimeId: z.string(),
  handle: z.record(z.string(), z.unknown()),
  /** Milliseconds since 1970. */
  startedAtMs: z.number(),
  endedAtMs: z.number(),
  /** Why it ended. */
  reason: z.string(),
  /** It takes no new calls; absent in what an older agent wrote. */
  retiring: z.boolean().default(false),
  /** Since when it is on standby, ms since 1970; 0: it is not. */
  standbySinceMs: z.number().default(0),
  /** When a call last used one that is on standby, ms since 1970. */
  lastUsedMs: z.number().default(0),
  /** Why its host was chosen, in one line. */
  placed: z.string().exactOptional(),
});

/** What is kept of an instance beyond the agent's own life. */
export type InstanceRecord = z.infer<typeof recordSchema>;

/** The record of an instance that is about to start. */
export function newRecord(
  given: Pick<InstanceRecord, "id" | "spec" | "generation" | "runtime" | "placed">,
): InstanceRecord {
  return {
    ...given,
    state: InstanceState.STARTING,
    address: "",
    runtimeId: "",
    handle: {},
    startedAtMs: 0,
    endedAtMs: 0,
    reason: "",
    retiring: false,
    standbySinceMs: 0,
    lastUsedMs: 0,
  };
}

/** What could not be written is tried again after this time, ms. */
const AGAIN_MS = 1_000;

/** The instance records of one agent, a file each. */
export class RecordFolder {
  readonly #folder: string;
  /** What is not on disk as it is. */
  readonly #unwritten = new Map<string, InstanceRecord>();
  #again: NodeJS.Timeout | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Writes the record, now or when the disk has room again: what runs must not end for it. */
  save(record: InstanceRecord): void {
    try {
      writeJson(this.#file(record.id), record);
      this.#unwritten.delete(record.id);
    } catch {
      this.#unwritten.set(record.id, record);
      this.#again ??= setTimeout(() => this.#saveAgain(), AGAIN_MS).unref();
    }
  }

  /**
   * Writes the record of what is about to start: the next agent would take it for a left-over otherwise.
   *
   * @throws RouseError RESOURCE_EXHAUSTED DISK_FULL; what the file system throws.
   */
  begin(record: InstanceRecord): void {
    try {
      writeJson(this.#file(record.id), record);
    } catch (thrown) {
      throw diskFull(thrown, `${this.#folder} cannot take what is to start`) ?? thrown;
    }
  }

  close(): void {
    clearTimeout(this.#again);
  }

  #saveAgain(): void {
    this.#again = undefined;
    for (const record of this.#unwritten.values()) this.save(record);
  }

  remove(id: string): void {
    this.#unwritten.delete(id);
    rmSync(this.#file(id), { force: true });
  }

  load(): readonly InstanceRecord[] {
    return readdirSync(this.#folder)
      .filter((name) => name.endsWith(".json"))
      .flatMap((name) => readJson(join(this.#folder, name), recordSchema) ?? []);
  }

  #file(id: string): string {
    return join(this.#folder, `${id}.json`);
  }
}
