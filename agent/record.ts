import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { InstanceSpec, InstanceState } from "#proto/rouse/agent/v1/agent.ts";
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

/** The instance records of one agent, a file each. */
export class RecordFolder {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  save(record: InstanceRecord): void {
    writeJson(this.#file(record.id), record);
  }

  remove(id: string): void {
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
