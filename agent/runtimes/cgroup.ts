import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Freezer } from "./freezer.ts";

/** Limits of one process and its children. */
export interface Limits {
  /** Cores. */
  readonly cpu: number;
  readonly memoryBytes: number;
  readonly pids: number;
}

const root = "/sys/fs/cgroup";
const controllers = ["cpu", "memory", "pids"] as const;
type Controller = (typeof controllers)[number];

/** Length of the window in which a quota of CPU time is given, µs; the kernel's and Docker's default. */
const periodUs = 100_000;

/**
 * The cgroups of one agent's processes: version 2 where it has the controllers, else version 1 (cgroups(7)). Which
 * of cpu, memory and pids can be limited is tried out, for it depends on rights and on how the system mounts them.
 */
export class Cgroups {
  /** By controller, the folder that holds this agent's groups; version 2 has the same one for all. */
  readonly #parents: ReadonlyMap<Controller, string>;
  readonly #version: 1 | 2;
  /** Folder that holds this agent's groups for freezing; undefined where it may not be written. */
  readonly #freezers: string | undefined;
  /** What cannot be limited, and why. */
  readonly unenforced: readonly string[];

  /** @param owner names the agent's groups, so that those of another agent are left alone. */
  constructor(owner: string) {
    this.#version = existsSync(join(root, "cgroup.controllers")) ? 2 : 1;
    const unenforced: string[] = [];
    const parents = new Map<Controller, string>();
    for (const controller of controllers) {
      try {
        parents.set(controller, this.#makeParent(controller, owner));
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        unenforced.push(`${controller}: no cgroup may be written (${why})`);
      }
    }
    this.#parents = parents;
    this.#freezers = this.#makeFreezers(owner);
    this.unenforced = unenforced;
  }

  /** Makes the group of an instance. */
  create(id: string, limits: Limits): Cgroup {
    const folders = new Map<Controller, string>();
    for (const [controller, parent] of this.#parents) {
      const folder = join(parent, id);
      mkdirSync(folder, { recursive: true });
      folders.set(controller, folder);
    }
    const group = new Cgroup(this.#version, folders, this.#freezerFolder(id));
    group.limit(limits);
    return group;
  }

  /** The group that a former agent made. */
  open(id: string): Cgroup {
    const folders = new Map([...this.#parents].map(([controller, parent]) => [controller, join(parent, id)]));
    return new Cgroup(this.#version, folders, this.#freezerFolder(id));
  }

  #freezerFolder(id: string): string | undefined {
    return this.#freezers === undefined ? undefined : join(this.#freezers, id);
  }

  /** Ids of all groups that exist. */
  ids(): readonly string[] {
    const ids = new Set<string>();
    for (const parent of this.#folders()) {
      for (const entry of readdirSync(parent, { withFileTypes: true })) {
        if (entry.isDirectory()) ids.add(entry.name);
      }
    }
    return [...ids];
  }

  /** Removes the agent's own groups when they are empty. */
  close(): void {
    for (const parent of this.#folders()) if (removeFolder(parent)) removeFolder(dirname(parent));
  }

  #folders(): ReadonlySet<string> {
    return new Set([...this.#parents.values(), ...(this.#freezers === undefined ? [] : [this.#freezers])]);
  }

  /** Every group of version 2 can be frozen; version 1 has a hierarchy of its own for it. */
  #makeFreezers(owner: string): string | undefined {
    if (this.#version === 2) return this.#parents.values().next().value;
    const mount = join(root, "freezer");
    if (!existsSync(join(mount, "cgroup.procs"))) return undefined;
    try {
      const folder = join(mount, "rouse", owner);
      mkdirSync(folder, { recursive: true });
      return folder;
    } catch {
      return undefined;
    }
  }

  #makeParent(controller: Controller, owner: string): string {
    if (this.#version === 1) {
      const mount = join(root, controller);
      if (!existsSync(join(mount, "cgroup.procs"))) throw new Error(`${mount} is not mounted`);
      const folder = join(mount, "rouse", owner);
      mkdirSync(folder, { recursive: true });
      return folder;
    }
    const top = join(root, "rouse");
    const folder = join(top, owner);
    mkdirSync(folder, { recursive: true });
    for (const parent of [root, top, folder]) {
      const control = join(parent, "cgroup.subtree_control");
      if (!readFileSync(control, "utf8").split(/\s+/).includes(controller))
        writeFileSync(control, `+${controller}`);
    }
    return folder;
  }
}

/** The group of one instance. */
export class Cgroup {
  readonly #version: 1 | 2;
  readonly #folders: ReadonlyMap<Controller, string>;
  readonly #freezer: Freezer | undefined;

  /** @param freezer its folder for freezing; undefined where it cannot be frozen. */
  constructor(version: 1 | 2, folders: ReadonlyMap<Controller, string>, freezer?: string) {
    this.#version = version;
    this.#folders = folders;
    this.#freezer = freezer === undefined || folders.size === 0 ? undefined : new Freezer(version, freezer);
  }

  /** Whether it can be frozen as a group. */
  get freezable(): boolean {
    return this.#freezer !== undefined;
  }

  /** Keeps all its processes from running. Throws what the file system throws. */
  async freeze(): Promise<void> {
    const freezer = this.#freezer;
    if (freezer === undefined) throw new Error("no cgroup may be written");
    if (this.#version === 1) {
      mkdirSync(freezer.folder, { recursive: true });
      // Joining costs the kernel some 5 ms: not at the start, where somebody waits. Children are born into the group.
      for (let attempt = 0; attempt < 10; attempt++) {
        const left = this.processes().filter((pid) => !freezer.holds(pid));
        if (left.length === 0) break;
        // One that ends meanwhile cannot join.
        for (const pid of left)
          await writeFile(join(freezer.folder, "cgroup.procs"), String(pid)).catch(() => undefined);
      }
    }
    await freezer.freeze();
  }

  /** Lets its processes run. Throws what the file system throws. */
  thaw(): void {
    if (this.#freezer !== undefined && existsSync(this.#freezer.folder)) this.#freezer.thaw();
  }

  async frozen(): Promise<boolean> {
    return (await this.#freezer?.frozen().catch(() => false)) ?? false;
  }

  /** Files into which a process writes its id to join. */
  get joinFiles(): readonly string[] {
    return [...new Set(this.#folders.values())].map((folder) => join(folder, "cgroup.procs"));
  }

  limit(limits: Limits): void {
    this.limitCpu(limits.cpu);
    const memory = this.#folders.get("memory");
    if (memory !== undefined && this.#version === 2) {
      write(memory, "memory.max", limits.memoryBytes);
      tryWrite(memory, "memory.swap.max", 0);
      // The whole group ends at once, or half an instance would go on.
      tryWrite(memory, "memory.oom.group", 1);
    } else if (memory !== undefined) {
      write(memory, "memory.limit_in_bytes", limits.memoryBytes);
      tryWrite(memory, "memory.memsw.limit_in_bytes", limits.memoryBytes);
    }
    const pids = this.#folders.get("pids");
    if (pids !== undefined) write(pids, "pids.max", limits.pids);
  }

  limitCpu(cpu: number): void {
    const folder = this.#folders.get("cpu");
    if (folder === undefined) return;
    // The kernel takes no quota below 1 ms.
    const quotaUs = Math.max(1_000, Math.round(cpu * periodUs));
    if (this.#version === 2) write(folder, "cpu.max", `${quotaUs} ${periodUs}`);
    else write(folder, "cpu.cfs_quota_us", quotaUs);
  }

  /** How many of its processes the kernel killed for memory. */
  outOfMemoryKills(): number {
    const folder = this.#folders.get("memory");
    if (folder === undefined) return 0;
    const text = read(folder, this.#version === 2 ? "memory.events" : "memory.oom_control");
    return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
  }

  processes(): readonly number[] {
    const pids = new Set<number>();
    for (const folder of this.#folders.values()) {
      for (const line of read(folder, "cgroup.procs").split("\n")) if (line !== "") pids.add(Number(line));
    }
    return [...pids];
  }

  /** Kills what is left in it and removes it. */
  async remove(): Promise<void> {
    const folders = new Set(this.#folders.values());
    if (this.#freezer !== undefined) folders.add(this.#freezer.folder);
    for (let attempt = 0; attempt < 100; attempt++) {
      for (const pid of this.processes()) killQuietly(pid);
      // What is frozen by version 1 does not even die.
      try {
        this.thaw();
      } catch {
        // It is gone.
      }
      const left = [...folders].filter((folder) => !removeFolder(folder));
      if (left.length === 0) return;
      await sleep(20);
    }
  }
}

function write(folder: string, file: string, value: string | number): void {
  writeFileSync(join(folder, file), String(value));
}

/** For settings that not every kernel has, such as swap accounting. */
function tryWrite(folder: string, file: string, value: string | number): void {
  if (!existsSync(join(folder, file))) return;
  write(folder, file, value);
}

function read(folder: string, file: string): string {
  try {
    return readFileSync(join(folder, file), "utf8");
  } catch {
    return "";
  }
}

function removeFolder(folder: string): boolean {
  try {
    rmdirSync(folder);
  } catch {
    // Busy while a process in it still ends, or gone.
  }
  return !existsSync(folder);
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}
