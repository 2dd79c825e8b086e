import { createHash } from "node:crypto";
import { type Cgroup, Cgroups } from "../../agent/runtimes/cgroup.ts";
import { processesWith } from "../../agent/runtimes/proc.ts";
import { signalQuietly } from "../../agent/runtimes/process-unit.ts";
import { BUILD_VARIABLE } from "./environment.ts";
import { buildFailed } from "./failure.ts";
import type { BuildLimits } from "./limits.ts";
import { type ProgramEnd, type ProgramOptions, runProgram } from "./program.ts";
import { findSandbox, programPath, type Sandbox } from "./sandbox.ts";

export interface RunOptions extends ProgramOptions {
  /** In the sandbox, with or without the network; false: as the registry itself, for what runs no code of the repository. */
  readonly confine: { readonly network: boolean; readonly scratch: string } | false;
}

/** Ends all programs of a build that still run, also those that have left its process groups. */
export function endProcesses(id: string): void {
  for (const { pid } of processesWith(BUILD_VARIABLE, id, BUILD_VARIABLE)) signalQuietly(pid, "SIGKILL");
}

/** Joins the cgroups named before "--", then becomes the program. */
const joinAndRun = 'while [ "$1" != -- ]; do echo $$ > "$1" || exit 125; shift; done; shift; exec "$@"';

/** Runs a build's programs within limits. */
export class Runner {
  readonly sandbox: Sandbox;
  readonly #limits: BuildLimits;
  readonly #cgroups: Cgroups | undefined;

  private constructor(sandbox: Sandbox, limits: BuildLimits, cgroups: Cgroups | undefined) {
    this.sandbox = sandbox;
    this.#limits = limits;
    this.#cgroups = cgroups;
  }

  /** @param dataDir of the registry, which names its cgroups and is hidden from builds. */
  static async open(dataDir: string, limits: BuildLimits): Promise<Runner> {
    const sandbox = await findSandbox(dataDir);
    if (process.platform !== "linux") return new Runner(sandbox, limits, undefined);
    const cgroups = new Cgroups(`builds-${createHash("sha256").update(dataDir).digest("hex").slice(0, 12)}`);
    // Those of a former registry, with what may still run in them.
    for (const id of cgroups.ids()) await cgroups.open(id).remove();
    return new Runner(sandbox, limits, cgroups);
  }

  /** What is not limited here, for the log. */
  get unlimited(): readonly string[] {
    return this.#cgroups?.unenforced ?? ["memory and processes: this system has no cgroups"];
  }

  /**
   * Runs one program of a build, and ends all that it started.
   *
   * @param id of the build.
   * @throws as {@link runProgram}.
   */
  async run(id: string, command: readonly string[], options: RunOptions): Promise<ProgramEnd> {
    const { confine, cwd } = options;
    const inner = confine === false ? command : this.sandbox.wrap(command, { cwd, ...confine });
    const cgroup = confine === false ? undefined : this.#cgroup(id);
    try {
      const end = await runProgram(this.#limited(inner, cgroup), options);
      if (end.code === 0 || cgroup === undefined || cgroup.outOfMemoryKills() === 0) return end;
      throw buildFailed(
        `A step took more than ${Math.round(this.#limits.memoryBytes / 2 ** 20)} MiB of memory, so the build was ended.`,
      );
    } finally {
      await cgroup?.remove();
      if (confine !== false && !this.sandbox.endsAll) endProcesses(id);
    }
  }

  close(): void {
    this.#cgroups?.close();
  }

  #cgroup(id: string): Cgroup | undefined {
    const { memoryBytes, pids } = this.#limits;
    return this.#cgroups?.create(id, { cpu: 1024, memoryBytes, pids });
  }

  #limited(command: readonly string[], cgroup: Cgroup | undefined): readonly string[] {
    const { diskBytes, memoryBytes } = this.#limits;
    const files = cgroup?.joinFiles ?? [];
    const memory = this.#cgroups?.unenforced.some((text) => text.startsWith("memory")) !== false;
    const limits =
      programPath("prlimit") === undefined
        ? []
        : ["prlimit", "--core=0", `--fsize=${diskBytes}`, ...(memory ? [`--data=${memoryBytes}`] : [])];
    const join = files.length === 0 ? [] : ["/bin/sh", "-c", joinAndRun, "rouse-limits", ...files, "--"];
    // The mesh goes first.
    const last = programPath("nice") === undefined ? [] : ["nice", "-n", "10"];
    return [...join, ...last, ...limits, ...(limits.length > 0 ? ["--"] : []), ...command];
  }
}
