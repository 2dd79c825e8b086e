import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** How long the kernel may take to freeze a group, ms: a process that waits for a device cannot be frozen meanwhile. */
const freezeMs = 5_000;

const root = "/sys/fs/cgroup";

/** How the two versions of cgroups say it: freezer-subsystem.txt and cgroup-v2.rst of the Linux kernel. */
const dialects = {
  1: { file: "freezer.state", freeze: "FROZEN", thaw: "THAWED", says: "freezer.state", frozen: /^FROZEN$/m },
  2: { file: "cgroup.freeze", freeze: "1", thaw: "0", says: "cgroup.events", frozen: /^frozen 1$/m },
} as const;

/** A cgroup of which all processes can be kept from running, and let run again. */
export class Freezer {
  readonly folder: string;
  readonly #dialect: (typeof dialects)[1 | 2];

  /** @param folder the group's; of version 1 the one that the freezer is mounted for. */
  constructor(version: 1 | 2, folder: string) {
    this.folder = folder;
    this.#dialect = dialects[version];
  }

  /** The freezer of the group that a process is in; undefined where that cannot be seen from here, or not be written. */
  static of(pid: number): Freezer | undefined {
    let groups: string;
    try {
      groups = readFileSync(`/proc/${pid}/cgroup`, "utf8");
    } catch {
      return undefined;
    }
    const one = /^\d+:(?:[^:\n]*,)?freezer(?:,[^:\n]*)?:(.+)$/m.exec(groups)?.[1];
    const two = /^0::(.+)$/m.exec(groups)?.[1];
    const freezer =
      one !== undefined
        ? new Freezer(1, join(root, "freezer", one))
        : two !== undefined
          ? new Freezer(2, join(root, two))
          : undefined;
    // A namespace of ours may hide where the group really is; the topmost one holds more than the process.
    return freezer?.folder !== root && freezer?.folder !== join(root, "freezer") && freezer?.holds(pid)
      ? freezer
      : undefined;
  }

  /** Whether the process is in the group. */
  holds(pid: number): boolean {
    try {
      const processes = readFileSync(join(this.folder, "cgroup.procs"), "utf8");
      return existsSync(join(this.folder, this.#dialect.file)) && processes.split("\n").includes(String(pid));
    } catch {
      return false;
    }
  }

  /** Resolves when none of its processes runs any more. Throws what the file system throws, or that it takes too long. */
  async freeze(): Promise<void> {
    const { file, freeze } = this.#dialect;
    await writeFile(join(this.folder, file), freeze);
    const until = performance.now() + freezeMs;
    while (!(await this.frozen())) {
      if (performance.now() > until) {
        this.thaw();
        throw new Error(`the kernel has not frozen ${this.folder} within ${freezeMs} ms`);
      }
      await sleep(1);
    }
  }

  /** Lets its processes run: at once, for calls wait for it. Throws what the file system throws. */
  thaw(): void {
    const { file, thaw } = this.#dialect;
    writeFileSync(join(this.folder, file), thaw);
  }

  async frozen(): Promise<boolean> {
    const { says, frozen } = this.#dialect;
    return frozen.test(await readFile(join(this.folder, says), "utf8"));
  }
}
