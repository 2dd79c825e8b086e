import type { ChildProcess } from "node:child_process";
import type { constants } from "node:os";
import type { OutputFiles } from "../logs/output-files.ts";
import { listeningAddresses, pendingConnections } from "../readiness/listening.ts";
import type { Cgroup } from "./cgroup.ts";
import { isStopped, startTicks } from "./proc.ts";
import type { Ending, LogQuery, OutputLine, PlacedLine, Positions, Unit } from "./runtime.ts";

/** How often an adopted process is looked at, ms: only its parent is told of its end, and that was the former agent. */
const lookMs = 250;

export interface ProcessUnitOptions {
  readonly id: string;
  readonly pid: number;
  readonly startTicks: number;
  /** Declared cores. */
  readonly cpu: number;
  readonly cgroup: Cgroup;
  /** Undefined for an adopted one. */
  readonly child: ChildProcess | undefined;
  /** IPv4 address at which instances listen. */
  readonly bind: string;
  readonly output: OutputFiles;
  readonly removed: () => void;
}

/** An instance that is a process. */
export class ProcessUnit implements Unit {
  readonly runtimeId: string;
  readonly handle: Readonly<Record<string, unknown>>;
  readonly notifyName: string;
  readonly ip = undefined;
  readonly expected = undefined;
  readonly outside: Unit["outside"];
  readonly ended: Promise<Ending>;
  readonly #options: ProcessUnitOptions;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ProcessUnitOptions) {
    this.#options = options;
    this.runtimeId = String(options.pid);
    this.handle = { pid: options.pid, startTicks: options.startTicks };
    this.notifyName = options.id;
    this.outside = outsideOf(options.bind);
    this.ended = options.child === undefined ? this.#endOfStranger() : this.#endOfChild(options.child);
  }

  async terminate(): Promise<void> {
    this.#signal("SIGTERM");
    await this.resume();
  }

  async kill(): Promise<void> {
    this.#signal("SIGKILL");
    // A process that version 1 of cgroups has frozen does not even die.
    await this.resume();
  }

  async suspend(): Promise<void> {
    const { cgroup } = this.#options;
    if (cgroup.freezable) await cgroup.freeze();
    else this.#signal("SIGSTOP");
  }

  async resume(): Promise<void> {
    this.#options.cgroup.thaw();
    if (!this.#options.cgroup.freezable) this.#signal("SIGCONT");
  }

  async suspended(): Promise<boolean> {
    return isStopped(this.#options.pid) || (await this.#options.cgroup.frozen());
  }

  async pending(address: string): Promise<number> {
    return pendingConnections(this.#options.pid, address);
  }

  async settle(): Promise<void> {
    this.#options.cgroup.limitCpu(this.#options.cpu);
  }

  async listening(): Promise<readonly string[]> {
    return listeningAddresses(this.#options.pid, true);
  }

  logs(query: LogQuery): AsyncIterable<OutputLine> {
    return this.#options.output.read(query, this.ended);
  }

  linesAfter(positions: Positions, signal: AbortSignal): AsyncIterable<PlacedLine> {
    return this.#options.output.after(positions, this.ended, signal);
  }

  async remove(): Promise<void> {
    clearInterval(this.#timer);
    await this.#options.cgroup.remove();
    this.#options.removed();
  }

  /** To its whole process group, for it may have children. */
  #signal(signal: NodeJS.Signals): void {
    const { pid, startTicks: since } = this.#options;
    if (since !== 0 && startTicks(pid) !== since) return;
    signalQuietly(-pid, signal);
  }

  #endOfChild(child: ChildProcess): Promise<Ending> {
    return new Promise((resolve) => {
      const end = (exitCode: number | null, signal: NodeJS.Signals | null) =>
        resolve({
          exitCode: exitCode ?? undefined,
          signal: signal ?? undefined,
          outOfMemory: this.#outOfMemory(signal),
        });
      if (child.exitCode !== null || child.signalCode !== null) end(child.exitCode, child.signalCode);
      else child.once("exit", end);
    });
  }

  #endOfStranger(): Promise<Ending> {
    const { pid, startTicks: since } = this.#options;
    return new Promise((resolve) => {
      this.#timer = setInterval(() => {
        if (startTicks(pid) === since) return;
        clearInterval(this.#timer);
        resolve({ outOfMemory: this.#options.cgroup.outOfMemoryKills() > 0 });
      }, lookMs);
      this.#timer.unref();
    });
  }

  #outOfMemory(signal: NodeJS.Signals | null): boolean {
    return signal === "SIGKILL" && this.#options.cgroup.outOfMemoryKills() > 0;
  }
}

/** How other hosts reach what listens on an address of this one; undefined where there are no others. */
export function outsideOf(bind: string): Unit["outside"] {
  if (bind.startsWith("127.")) return undefined;
  return (address) => {
    if (/^(unix:|127\.|localhost:|\[::1\]:)/.test(address)) return undefined;
    return address.replace(/^(0\.0\.0\.0|\[::\]):/, `${bind}:`);
  };
}

/** Sends a signal to a process (or, below zero, a process group) that may have ended. */
export function signalQuietly(pid: number, signal: keyof typeof constants.signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended.
  }
}
