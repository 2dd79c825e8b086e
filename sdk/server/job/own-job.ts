import { randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { RouseError } from "../../errors.ts";
import type { Job, JobOutput } from "../types.ts";
import type { GatewayClient } from "./gateway-client.ts";
import { type Content, putOutput } from "./put-output.ts";

/** Handlers may say often how far they are; it is passed on so often at most, ms. */
const PAUSE_MS = 200;

const texts = z.record(z.string(), z.string());

/** What GET /v1/job answers. */
export const jobSchema = z.object({
  id: z.string(),
  service: z.string(),
  version: z.string(),
  method: z.string(),
  attempt: z.number(),
  inputs: texts,
  metadata: texts,
  /** ms since 1970. */
  deadlineMs: z.number(),
});

export type JobFacts = z.infer<typeof jobSchema>;

const outputSchema = z.object({ name: z.string(), uri: z.string(), bytes: z.number() });

/** The job that this process runs. */
export class OwnJob implements Job {
  readonly id: string;
  readonly attempt: number;
  readonly inputs: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly scratch: string;
  readonly #gateway: GatewayClient;
  #latest: { fraction: number; note: string } | undefined;
  #telling: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(facts: JobFacts, gateway: GatewayClient, scratch: string) {
    this.id = facts.id;
    this.attempt = facts.attempt;
    this.inputs = facts.inputs;
    this.metadata = facts.metadata;
    this.scratch = scratch;
    this.#gateway = gateway;
  }

  async input(name: string): Promise<Readable> {
    this.#check(name);
    return this.#gateway.download(`/v1/inputs/${encodeURIComponent(name)}`);
  }

  async inputFile(name: string): Promise<string> {
    const content = await this.input(name);
    const path = join(this.scratch, name.replaceAll("/", "_"));
    const partial = `${path}.${randomUUID()}.part`;
    try {
      await pipeline(content, createWriteStream(partial));
      await rename(partial, path);
    } catch (error) {
      await rm(partial, { force: true });
      throw error;
    }
    return path;
  }

  async output(
    name: string,
    content: Content,
    options: { readonly mediaType?: string } = {},
  ): Promise<JobOutput> {
    const { mediaType = "application/octet-stream" } = options;
    return outputSchema.parse(await putOutput(this.#gateway, name, content, mediaType));
  }

  async note(name: string, value: string): Promise<void> {
    await this.#post("/v1/metadata", { [name]: value });
  }

  progress(fraction: number, note = ""): void {
    this.#latest = { fraction, note };
    this.#timer ??= setTimeout(() => void this.tellProgress(), PAUSE_MS).unref();
  }

  /** Sends what was said last, if that was not sent yet. What is lost is made good by the next, and at the latest by the end. */
  async tellProgress(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#telling;
    const latest = this.#latest;
    this.#latest = undefined;
    if (latest === undefined) return;
    this.#telling = this.#post("/v1/progress", latest).catch(() => undefined);
    await this.#telling;
  }

  async #post(path: string, value: unknown): Promise<void> {
    await this.#gateway.bytes({
      method: "POST",
      path,
      headers: { "content-type": "application/json" },
      body: JSON.stringify(value),
    });
  }

  #check(name: string): void {
    if (Object.hasOwn(this.inputs, name)) return;
    const there = Object.keys(this.inputs);
    throw new RouseError(
      "NOT_FOUND",
      `This job has no input ${JSON.stringify(name)}. It has ${there.length === 0 ? "none" : there.join(", ")}; name it in the order.`,
      { reason: "JOB_INPUT_UNKNOWN" },
    );
  }
}
