import { constants } from "node:os";
import type { Readable } from "node:stream";
import type { Container } from "dockerode";
import { LineSplitter } from "../../logs/line-splitter.ts";
import { containerMembers, isContainerMember } from "../proc.ts";
import type { Ending, LogQuery, OutputLine, PlacedLine, Positions } from "../runtime.ts";
import { type Engine, statusOf } from "./engine.ts";

/** How long the engine may be away before what it runs, where that is not to be seen, counts as lost, ms. */
const engineAwayMs = 5_000;
/** How often it is looked whether the engine is back, and what it ran still runs, ms. */
const lookMs = 500;
/** How long the engine may take to tell more of an end that was seen while it was away, ms. */
const tellMs = 1_000;

/** A container that was started: its end, its output, and signals to it. */
export class RunningContainer {
  /** Its end, whoever brought it about. Never rejects. */
  readonly ended: Promise<Ending>;
  readonly #engine: Engine;
  readonly #container: Container;
  readonly #detached: AbortSignal;
  readonly #id: string;
  /** One of its processes; undefined where they are not to be seen, as when the engine runs on another machine. */
  #member: number | undefined;
  #over = false;
  #endedUnseen = false;

  /** @param detached aborted when the agent ends: nobody waits for the container any longer. */
  constructor(engine: Engine, id: string, detached: AbortSignal) {
    this.#engine = engine;
    this.#id = id;
    this.#container = engine.docker.getContainer(id);
    this.#detached = detached;
    this.ended = this.#watch().finally(() => {
      this.#over = true;
    });
  }

  get over(): boolean {
    return this.#over;
  }

  /** Whether it ended while the engine was away, which may not answer for a while longer. */
  get endedUnseen(): boolean {
    return this.#endedUnseen;
  }

  /** Looks for its processes, by which its end is noticed while the engine is away. @returns whether there are any. */
  look(): boolean {
    if (this.#member !== undefined && isContainerMember(this.#member, this.#id)) return true;
    const [member] = containerMembers(this.#id);
    this.#member = member ?? this.#member;
    return member !== undefined;
  }

  async signal(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    if (this.#over) return;
    try {
      await this.#container.kill({ signal });
    } catch {
      // It does not run, or the engine is away: its end tells.
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

  /** All lines behind the positions that are still there, and those to come until its end, or the signal's. */
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

  /** Waits for its end, across absences of the engine. */
  async #watch(): Promise<Ending> {
    const engine = this.#engine;
    for (;;) {
      const given = new AbortController();
      try {
        const abortSignal = AbortSignal.any([this.#detached, given.signal]);
        const lost = engine.lost.then(() => {
          throw new Error("the connection to the engine was lost");
        });
        await Promise.race([this.#container.wait({ abortSignal }), lost]);
        const { State } = await this.#container.inspect();
        if (!State.Running) return endingOf(State);
      } catch (error) {
        if (this.#detached.aborted) return new Promise(() => {});
        if (statusOf(error) === 404) return { outOfMemory: false, detail: "somebody removed its container" };
        const end = await this.#endWithoutEngine();
        if (end === undefined) continue;
        this.#endedUnseen = true;
        return { outOfMemory: false, detail: end };
      } finally {
        given.abort();
      }
    }
  }

  /**
   * While the engine is away the processes tell: an engine that restarts may leave its containers alone ("live-restore"), or end
   * them before it answers.
   *
   * @returns how it ended meanwhile; undefined: the engine is back.
   */
  async #endWithoutEngine(): Promise<string | undefined> {
    const engine = this.#engine;
    if (await engine.answersWithin(lookMs)) return undefined;
    const away = `the Docker engine on ${engine.where} went away`;
    if (this.#member === undefined && !this.look())
      return (await engine.answersWithin(engineAwayMs)) ? undefined : away;
    while (!(await engine.answersWithin(lookMs))) {
      if (this.#detached.aborted) return undefined;
      if (this.look()) continue;
      // As an engine does that has just come back: it tells more of the end.
      return (await engine.answersWithin(tellMs))
        ? undefined
        : `it ended while ${away.replace("went", "was")}`;
    }
    return undefined;
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
