import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { Job, JobSpec } from "#proto/rouse/agent/v1/jobs.ts";
import { readJson, writeJson } from "../json-file.ts";
import type { OutputLine } from "../runtimes/runtime.ts";
import { type CheckedJob, checkJob } from "./spec.ts";

const doomSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("stopped"), reason: z.string() }),
  z.object({ kind: z.literal("time") }),
  z.object({ kind: z.literal("disk") }),
  z.object({ kind: z.literal("host"), reason: z.string() }),
]);
const linesSchema = z.array(
  z.object({ stream: z.enum(["stdout", "stderr"]), atMs: z.number(), line: z.string() }),
);

/** Where the agent keeps what it knows of jobs, so that the next agent goes on with them. */
export class JobRecords {
  readonly #records: string;
  readonly #sockets: string;

  /** @param agent the agent's folder in the mesh's data folder. */
  constructor(agent: string) {
    this.#records = join(agent, "jobs");
    // A socket's path must be short.
    this.#sockets = join(agent, "js");
    for (const folder of [this.#records, this.#sockets]) {
      mkdirSync(folder, { recursive: true });
      // Sockets in it are open to any user who gets here, which nobody else may.
      chmodSync(folder, 0o700);
    }
  }

  /** All jobs that were saved, with what a crash left of half a record removed. */
  load(): { spec: CheckedJob; job: Job; doom: z.infer<typeof doomSchema> | undefined }[] {
    return readdirSync(this.#records).flatMap((id) => {
      try {
        const spec = checkJob(JobSpec.decode(readFileSync(this.#file(id, "spec"))));
        const job = Job.decode(readFileSync(this.#file(id, "job")));
        return [{ spec, job, doom: readJson(this.#file(id, "doom"), doomSchema) }];
      } catch {
        // Taken in, and nobody was told so.
        this.forget(id);
        return [];
      }
    });
  }

  create(job: Job, spec: CheckedJob): void {
    mkdirSync(join(this.#records, job.id), { recursive: true });
    this.#write(job.id, "spec", JobSpec.encode(spec).finish());
    this.save(job);
  }

  save(job: Job): void {
    this.#write(job.id, "job", Job.encode(job).finish());
  }

  doom(id: string, doom: z.infer<typeof doomSchema>): void {
    writeJson(this.#file(id, "doom"), doom);
  }

  /** Notes whether contents are moved to or from the job. */
  streaming(id: string, streams: boolean): void {
    if (streams) writeFileSync(this.#file(id, "streams"), "");
    else rmSync(this.#file(id, "streams"), { force: true });
  }

  /** Whether an agent has ended while contents were moved. */
  isStreaming(id: string): boolean {
    return existsSync(this.#file(id, "streams"));
  }

  forget(id: string): void {
    rmSync(join(this.#records, id), { recursive: true, force: true });
    this.removeFolder(id);
  }

  /** The folder that a job's container gets to see. */
  makeFolder(id: string): string {
    const folder = this.#folder(id);
    mkdirSync(folder, { recursive: true });
    chmodSync(folder, 0o755);
    return folder;
  }

  removeFolder(id: string): void {
    rmSync(this.#folder(id), { recursive: true, force: true });
  }

  /** Folders of jobs that are not among these are removed. */
  sweep(ids: readonly string[]): void {
    const known = new Set(ids.map((id) => this.#folder(id)));
    for (const name of readdirSync(this.#sockets)) {
      const folder = join(this.#sockets, name);
      if (!known.has(folder)) rmSync(folder, { recursive: true, force: true });
    }
  }

  async keepOutput(id: string, lines: readonly OutputLine[]): Promise<void> {
    await writeFile(this.#file(id, "output"), JSON.stringify(lines));
  }

  async output(id: string): Promise<readonly OutputLine[]> {
    try {
      return linesSchema.parse(JSON.parse(await readFile(this.#file(id, "output"), "utf8")));
    } catch {
      // It printed nothing, or the agent ended before it was kept.
      return [];
    }
  }

  #folder(id: string): string {
    return join(this.#sockets, createHash("sha256").update(id).digest("hex").slice(0, 12));
  }

  #file(id: string, name: string): string {
    return join(this.#records, id, name);
  }

  /** A crash leaves the old content or the new one. */
  #write(id: string, name: string, bytes: Uint8Array): void {
    const temporary = this.#file(id, `${name}.tmp`);
    writeFileSync(temporary, bytes);
    renameSync(temporary, this.#file(id, name));
  }
}
