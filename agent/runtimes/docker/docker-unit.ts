import { writeFile } from "node:fs/promises";
import type { Container } from "dockerode";
import type { OutputFiles } from "../../logs/output-files.ts";
import { listeningAddresses, pendingConnections } from "../../readiness/listening.ts";
import { Freezer } from "../freezer.ts";
import { startTicks } from "../proc.ts";
import type { Ending, LogQuery, OutputLine, PlacedLine, Positions, Unit } from "../runtime.ts";
import { type Engine, statusOf } from "./engine.ts";
import { RunningContainer } from "./running-container.ts";
import type { Slot } from "./slots.ts";

/** Lines of output kept of an ended container. */
const keptLines = 10_000;

export interface DockerUnitOptions {
  readonly engine: Engine;
  readonly slot: Slot;
  readonly instance: string;
  readonly port: number;
  /** Declared cores. */
  readonly cpu: number;
  readonly output: OutputFiles;
  /** Aborted when the agent ends: nobody waits for the container any longer. */
  readonly detached: AbortSignal;
  readonly settled: () => void;
  /** Gives back container and sandbox. */
  readonly remove: () => Promise<void>;
}

/** An instance that is a container. */
export class DockerUnit implements Unit {
  readonly runtimeId: string;
  readonly handle: Readonly<Record<string, unknown>>;
  readonly notifyName: string;
  readonly ip: string;
  readonly expected: string;
  readonly outside: Unit["outside"];
  readonly ended: Promise<Ending>;
  readonly #options: DockerUnitOptions;
  readonly #container: Container;
  readonly #running: RunningContainer;
  /** What it is frozen by, while it is: its cgroup past the engine, where that may be written. */
  #frozen: Freezer | "by the engine" | undefined;
  /** Of its first process; known when it was asked for. */
  #pid: number | undefined;
  #removed: Promise<void> | undefined;

  constructor(options: DockerUnitOptions) {
    const { engine, slot, port, detached } = options;
    this.#options = options;
    this.#container = engine.docker.getContainer(slot.container);
    this.runtimeId = slot.container;
    this.handle = { ...slot, sandbox: { ...slot.sandbox } };
    this.notifyName = slot.name;
    this.ip = slot.sandbox.ip;
    this.expected = `${slot.sandbox.ip}:${port}`;
    const { published } = slot.sandbox;
    this.outside =
      published && ((address) => (address.endsWith(`:${published.port}`) ? published.address : undefined));
    this.#running = new RunningContainer(engine, slot.container, detached);
    this.ended = this.#running.ended;
  }

  async terminate(): Promise<void> {
    await this.resume();
    await this.#running.signal("SIGTERM");
  }

  async kill(): Promise<void> {
    // What is frozen may not even die (version 1 of cgroups); its end tells if it cannot be thawed any more.
    await this.resume().catch(() => undefined);
    await this.#running.signal("SIGKILL");
  }

  async suspend(): Promise<void> {
    const { State } = await this.#container.inspect();
    const freezer = State.Paused ? undefined : Freezer.of(State.Pid);
    try {
      await freezer?.freeze();
      this.#frozen = freezer;
    } catch {
      // It may be seen, but not written: the engine may do it.
    }
    if (this.#frozen !== undefined) return;
    if (!State.Paused) await this.#container.pause();
    this.#frozen = "by the engine";
  }

  /** By the container's cgroup that takes less than a millisecond; by the engine some tens. */
  async resume(): Promise<void> {
    if (this.#running.over || this.#frozen === undefined) return;
    if (this.#frozen === "by the engine") await this.#container.unpause();
    else this.#frozen.thaw();
    this.#frozen = undefined;
  }

  async suspended(): Promise<boolean> {
    const { State } = await this.#container.inspect();
    const freezer = Freezer.of(State.Pid);
    if (State.Paused) this.#frozen = "by the engine";
    else if ((await freezer?.frozen().catch(() => false)) === true) this.#frozen = freezer;
    return this.#frozen !== undefined;
  }

  async pending(address: string): Promise<number> {
    this.#pid ??= (await this.#container.inspect()).State.Pid;
    return pendingConnections(this.#pid, address);
  }

  async settle(): Promise<void> {
    const { cpu, instance, settled } = this.#options;
    this.#running.look();
    try {
      await this.#container.update({ NanoCpus: Math.round(cpu * 1e9) });
      // The container was made before anybody knew for which instance.
      await this.#container.rename({ name: `rouse-${instance}` });
    } catch (error) {
      // Renaming is for people; an update fails only when the container ended, which is told elsewhere.
      if (statusOf(error) === undefined) throw error;
    } finally {
      settled();
    }
  }

  async listening(): Promise<readonly string[] | undefined> {
    try {
      const { State } = await this.#container.inspect();
      // The whole namespace is the instance's. Of processes on other machines nothing can be seen.
      return startTicks(State.Pid) === undefined ? undefined : listeningAddresses(State.Pid, false);
    } catch {
      return undefined;
    }
  }

  logs(query: LogQuery): AsyncIterable<OutputLine> {
    return this.#running.logs(query);
  }

  linesAfter(positions: Positions, signal: AbortSignal): AsyncIterable<PlacedLine> {
    return this.#running.linesAfter(positions, signal);
  }

  remove(): Promise<void> {
    this.#removed ??= this.#keepOutput()
      .catch(() => {
        // The engine or the container is gone, and the output with it.
      })
      .then(() => this.#options.remove())
      .then(() => this.#options.settled());
    // Whoever waits for a replacement is not to wait for the engine.
    return this.#running.endedUnseen ? Promise.resolve() : this.#removed;
  }

  async #keepOutput(): Promise<void> {
    const text = { stdout: "", stderr: "" };
    for await (const { stream, line } of this.logs({ tail: keptLines, follow: false }))
      text[stream] += `${line}\n`;
    for (const stream of ["stdout", "stderr"] as const)
      if (text[stream] !== "") await writeFile(this.#options.output.path(stream), text[stream]);
  }
}
