import { writeFile } from "node:fs/promises";
import { constants } from "node:os";
import type { Readable } from "node:stream";
import type { Container } from "dockerode";
import { LineSplitter } from "../../logs/line-splitter.ts";
import type { OutputFiles } from "../../logs/output-files.ts";
import { listeningAddresses, pendingConnections } from "../../readiness/listening.ts";
import { Freezer } from "../freezer.ts";
import { startTicks } from "../proc.ts";
import type { Ending, LogQuery, OutputLine, PlacedLine, Positions, Unit } from "../runtime.ts";
import { type Engine, statusOf } from "./engine.ts";
import type { Slot } from "./slots.ts";

/** How long the engine may be away before what it runs counts as lost, ms. */
const engineAwayMs = 5_000;
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
  /** What it is frozen by, while it is: its cgroup past the engine, where that may be written. */
  #frozen: Freezer | "by the engine" | undefined;
  /** Of its first process; known when it was asked for. */
  #pid: number | undefined;
  #over = false;
  #removed: Promise<void> | undefined;

  constructor(options: DockerUnitOptions) {
    const { engine, slot, port } = options;
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
    this.ended = this.#watch().finally(() => {
      this.#over = true;
    });
  }

  async terminate(): Promise<void> {
    await this.resume();
    await this.#signal("SIGTERM");
  }

  async kill(): Promise<void> {
    // What is frozen may not even die (version 1 of cgroups); its end tells if it cannot be thawed any more.
    await this.resume().catch(() => undefined);
    await this.#signal("SIGKILL");
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
    if (this.#over || this.#frozen === undefined) return;
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

  async *logs(query: LogQuery): AsyncGenerator<OutputLine> {
    const common = { stdout: true, stderr: true, timestamps: true, tail: query.tail };
    if (!query.follow) {
      yield* lines([await this.#container.logs({ ...common, follow: false })]);
      return;
    }
    const stream = (await this.#container.logs({ ...common, follow: true })) as Readable;
    const stop = () => stream.destroy();
    query.signal?.addEventListener("abort", stop, { once: true });
    try {
      if (query.signal?.aborted !== true) yield* lines(stream);
    } catch (error) {
      if (query.signal?.aborted !== true) throw error;
    } finally {
      query.signal?.removeEventListener("abort", stop);
      stream.destroy();
    }
  }

  async *linesAfter(positions: Positions, signal: AbortSignal): AsyncGenerator<PlacedLine> {
    const since = Math.min(positions.stdout, positions.stderr) / 1e6;
    const stream = (await this.#container.logs({
      ...{ stdout: true, stderr: true, timestamps: true, follow: true },
      ...(since > 0 && { since }),
    })) as Readable;
    const stop = () => stream.destroy();
    signal.addEventListener("abort", stop, { once: true });
    const last = { ...positions };
    try {
      for await (const line of lines(stream)) {
        if (line.position <= positions[line.stream]) continue;
        // Two lines may have the same time.
        last[line.stream] = Math.max(line.position, last[line.stream] + 1);
        yield { ...line, position: last[line.stream] };
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      signal.removeEventListener("abort", stop);
      stream.destroy();
    }
  }

  remove(): Promise<void> {
    this.#removed ??= this.#keepOutput()
      .catch(() => {
        // The engine or the container is gone, and the output with it.
      })
      .then(() => this.#options.remove())
      .then(() => this.#options.settled());
    return this.#removed;
  }

  async #signal(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    if (this.#over) return;
    try {
      await this.#container.kill({ signal });
    } catch {
      // It does not run, or the engine is away: its end tells.
    }
  }

  /** Waits for its end, across short absences of the engine. */
  async #watch(): Promise<Ending> {
    const { engine, detached } = this.#options;
    for (;;) {
      const given = new AbortController();
      try {
        const abortSignal = AbortSignal.any([detached, given.signal]);
        const lost = engine.lost.then(() => {
          throw new Error("the connection to the engine was lost");
        });
        await Promise.race([this.#container.wait({ abortSignal }), lost]);
        const { State } = await this.#container.inspect();
        if (!State.Running) return endingOf(State);
      } catch (error) {
        if (detached.aborted) return new Promise(() => {});
        if (statusOf(error) === 404) return { outOfMemory: false, detail: "somebody removed its container" };
        if (!(await engine.answersWithin(engineAwayMs)))
          return { outOfMemory: false, detail: `the Docker engine on ${engine.where} went away` };
      } finally {
        given.abort();
      }
    }
  }

  async #keepOutput(): Promise<void> {
    const text = { stdout: "", stderr: "" };
    for await (const { stream, line } of this.logs({ tail: keptLines, follow: false }))
      text[stream] += `${line}\n`;
    for (const stream of ["stdout", "stderr"] as const)
      if (text[stream] !== "") await writeFile(this.#options.output.path(stream), text[stream]);
  }
}

function endingOf(state: { ExitCode: number; OOMKilled: boolean; Error: string }): Ending {
  // Shells and init programs report a signal as 128 and its number.
  const number = state.ExitCode - 128;
  const signal = Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
  return {
    exitCode: signal === undefined ? state.ExitCode : undefined,
    signal,
    outOfMemory: state.OOMKilled,
    detail: state.Error === "" ? undefined : state.Error,
  };
}

/** Takes apart Docker's multiplexed stream: a head of eight bytes (stream, 0, 0, 0, length), then the bytes. */
async function* lines(chunks: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<PlacedLine> {
  const splitters = { stdout: new LineSplitter(), stderr: new LineSplitter() };
  let rest = Buffer.alloc(0);
  for await (const chunk of chunks) {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 8 && rest.length >= 8 + rest.readUInt32BE(4)) {
      const end = 8 + rest.readUInt32BE(4);
      const stream = rest[0] === 2 ? "stderr" : "stdout";
      for (const line of splitters[stream].push(rest.subarray(8, end))) yield stamped(stream, line);
      rest = rest.subarray(end);
    }
  }
  for (const stream of ["stdout", "stderr"] as const)
    for (const line of splitters[stream].end()) yield stamped(stream, line);
}

/** "2026-01-31T10:20:30.123456789Z text". */
function stamped(stream: OutputLine["stream"], text: string): PlacedLine {
  const space = text.indexOf(" ");
  const time = text.slice(0, space);
  const atMs = Date.parse(time);
  if (Number.isNaN(atMs)) return { stream, atMs: 0, position: Date.now() * 1_000, line: text };
  const micros = Number(/\.\d{3}(\d{3})/.exec(time)?.[1] ?? 0);
  return { stream, atMs, position: atMs * 1_000 + micros, line: text.slice(space + 1) };
}
