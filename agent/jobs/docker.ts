import { statfs } from "node:fs/promises";
import type { Container } from "dockerode";
import type { Logger } from "pino";
import { z } from "zod";
import { RouseError } from "../../sdk/errors.ts";
import { steadyMs } from "../../sdk/steady.ts";
import type { Bundles } from "../artifacts/bundles.ts";
import { labels } from "../runtimes/docker/container-options.ts";
import { type Engine, statusOf } from "../runtimes/docker/engine.ts";
import type { ImageStore } from "../runtimes/docker/image-store.ts";
import type { Removals } from "../runtimes/docker/removals.ts";
import { RunningContainer } from "../runtimes/docker/running-container.ts";
import { startTicks } from "../runtimes/proc.ts";
import type { LogQuery, OutputLine } from "../runtimes/runtime.ts";
import { containerName, type JobSettings, jobContainer, nanoCpus, SCRATCH } from "./container.ts";
import type { JobLaunch, JobSandboxes, JobUnit, Usage } from "./sandboxes.ts";

/** What is used of the engine's answer; the versions of cgroups differ in what they tell. */
const statsSchema = z.object({
  cpu_stats: z.object({ cpu_usage: z.object({ total_usage: z.number().default(0) }) }),
  memory_stats: z.object({ usage: z.number().default(0), max_usage: z.number().default(0) }),
});

const infoSchema = z.object({
  SecurityOptions: z.array(z.string()).nullish(),
  MemoryLimit: z.boolean().default(false),
  PidsLimit: z.boolean().default(false),
  CpuCfsQuota: z.boolean().default(false),
});

export interface DockerJobsOptions {
  readonly engine: Engine;
  readonly images: ImageStore;
  readonly bundles: Bundles;
  readonly removals: Removals;
  readonly settings: JobSettings;
  /** Aborted when the agent ends. */
  readonly detached: AbortSignal;
  readonly log: Logger;
}

/** Runs jobs as containers. */
export class DockerJobs implements JobSandboxes {
  readonly #options: DockerJobsOptions;
  #able: Promise<void> | undefined;

  constructor(options: DockerJobsOptions) {
    this.#options = options;
  }

  async start({ id, spec, folder }: JobLaunch): Promise<JobUnit> {
    const { engine, images, bundles, settings, removals } = this.#options;
    const what = `to start a job of ${spec.program.service} ${spec.program.version}`;
    let container: Container | undefined;
    await engine.check();
    try {
      await this.#check();
      const make = async () => {
        const image = await images.ensure(spec.program, bundles);
        return engine.docker.createContainer(jobContainer(id, spec, image, folder, settings));
      };
      try {
        container = await make();
      } catch (error) {
        if (statusOf(error) !== 404) throw error;
        // The image was removed behind our back: once more from the beginning.
        images.distrust(spec.program);
        container = await make();
      }
      await container.start();
      return this.#unit(container.id, steadyMs());
    } catch (error) {
      if (container !== undefined) await removals.remove(container.id);
      throw engine.explain(error, what);
    }
  }

  async adopt(id: string): Promise<JobUnit | undefined> {
    const { engine, settings, removals } = this.#options;
    try {
      const name = containerName(settings.owner, id);
      const { Id, State } = await engine.docker.getContainer(name).inspect();
      const startedAtMs = Date.parse(State.StartedAt);
      if (startedAtMs > 0) return this.#unit(Id, startedAtMs);
      await removals.remove(Id);
      return undefined;
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw engine.explain(error, "to look for a job's container");
    }
  }

  async sweep(ids: ReadonlySet<string>): Promise<readonly string[]> {
    const { settings, removals } = this.#options;
    return removals.sweep(
      settings.owner,
      ({ Labels }) => Labels[labels.kind] === "job" && !ids.has(Labels[labels.instance] ?? ""),
    );
  }

  #unit(container: string, startedAtMs: number): JobUnit {
    const { engine, detached, removals } = this.#options;
    return new DockerJob(engine, container, startedAtMs, detached, removals);
  }

  /** @throws RouseError FAILED_PRECONDITION JOBS_UNSUPPORTED where the engine cannot hold a job. */
  #check(): Promise<void> {
    this.#able ??= (async () => {
      const lacks = engineLacks(await this.#options.engine.docker.info());
      if (lacks.length === 0) return;
      throw new RouseError(
        "FAILED_PRECONDITION",
        `The Docker engine on ${this.#options.engine.where} cannot hold a job in its sandbox: it lacks ${lacks.join(", ")}. Turn it on there, or have a host with an engine that has it.`,
        { reason: "JOBS_UNSUPPORTED" },
      );
    })();
    this.#able.catch(() => {
      this.#able = undefined;
    });
    return this.#able;
  }
}

/** What of a sandbox an engine does not have, by its own word (GET /info). */
export function engineLacks(info: unknown): string[] {
  const { SecurityOptions, MemoryLimit, PidsLimit, CpuCfsQuota } = infoSchema.parse(info);
  const lacks: [string, boolean][] = [
    ["seccomp", SecurityOptions?.some((option) => /^(name=)?seccomp(?!.*unconfined)/.test(option)) !== true],
    ["limits of memory", !MemoryLimit],
    ["limits of processes", !PidsLimit],
    ["limits of cores", !CpuCfsQuota],
  ];
  return lacks.filter(([, lacking]) => lacking).map(([name]) => name);
}

class DockerJob implements JobUnit {
  readonly startedAtMs: number;
  readonly ended: JobUnit["ended"];
  readonly #container: Container;
  readonly #running: RunningContainer;
  readonly #removals: Removals;
  /** Of its first process, where it is on this machine. */
  #pid: number | undefined;

  constructor(engine: Engine, id: string, startedAtMs: number, detached: AbortSignal, removals: Removals) {
    this.startedAtMs = startedAtMs;
    this.#container = engine.docker.getContainer(id);
    this.#running = new RunningContainer(engine, id, detached);
    this.ended = this.#running.ended;
    this.#removals = removals;
  }

  signal(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    return this.#running.signal(signal);
  }

  logs(query: LogQuery): AsyncIterable<OutputLine> {
    return this.#running.logs(query);
  }

  remove(): Promise<void> {
    return this.#removals.remove(this.#container.id);
  }

  async settle(cores: number): Promise<void> {
    try {
      await this.#container.update({ NanoCpus: nanoCpus(cores) });
    } catch (error) {
      // It has ended meanwhile, which is told elsewhere.
      if (![404, 409].includes(statusOf(error) ?? 0)) throw error;
    }
  }

  async usage(): Promise<Usage | undefined> {
    try {
      const answer: unknown = await this.#container.stats({ stream: false, "one-shot": true });
      const { cpu_stats, memory_stats } = statsSchema.parse(answer);
      return {
        cpuSeconds: cpu_stats.cpu_usage.total_usage / 1e9,
        peakMemoryBytes: Math.max(memory_stats.usage, memory_stats.max_usage),
      };
    } catch {
      // It has ended, or the engine is away.
      return undefined;
    }
  }

  async scratchFull(): Promise<boolean> {
    try {
      this.#pid ??= (await this.#container.inspect()).State.Pid;
      // Of processes on other machines nothing can be seen.
      if (this.#pid === 0 || startTicks(this.#pid) === undefined) return false;
      const { bfree, blocks } = await statfs(`/proc/${this.#pid}/root${SCRATCH}`);
      return blocks > 0 && bfree === 0;
    } catch {
      return false;
    }
  }
}
