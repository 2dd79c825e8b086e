import { spawn } from "node:child_process";
import { once } from "node:events";
import { signalQuietly } from "../../agent/runtimes/process-unit.ts";
import { buildFailed } from "./failure.ts";
import { OutputLines } from "./output-lines.ts";

/** How a program ended. */
export interface ProgramEnd {
  /** 0: as it should. A signal gives 128 and its number, as shells do. */
  readonly code: number;
  /** The last lines of stderr. */
  readonly lastWords: readonly string[];
  /** The first bytes of stdout. */
  readonly stdout: string;
}

export interface ProgramOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Kills the program and all that it has started. */
  readonly signal: AbortSignal;
  /** Told the lines of stdout and stderr as they come. */
  readonly say: (lines: readonly string[]) => void;
  /** Most output, bytes. */
  readonly outputBytes: number;
  /** Keeps stdout off the log. */
  readonly quiet?: boolean;
}

const LAST_WORDS = 20;
const STDOUT_BYTES = 64 * 1024;
/** Time that a killed program's output is waited for; a process that has left the group may hold it open. */
const PIPE_GRACE_MS = 1_000;

/**
 * Ends the group when this process is gone, however it went: descriptor 3 closes then. "$@" is the program.
 */
const guarded =
  '{ read -r _ <&3; kill -KILL 0; } >/dev/null 2>&1 & guard=$!; "$@" 3<&-; code=$?; kill -KILL "$guard" 2>/dev/null; exit "$code"';

/**
 * Runs a program in a process group of its own, which ends with this process.
 *
 * @throws RouseError BUILD_FAILED when it cannot be started or writes too much; the signal's reason when that aborts.
 */
export async function runProgram(command: readonly string[], options: ProgramOptions): Promise<ProgramEnd> {
  const { cwd, env, signal, say, outputBytes, quiet = false } = options;
  signal.throwIfAborted();
  const child = spawn("/bin/sh", ["-c", guarded, "rouse-build", ...command], {
    cwd,
    env,
    detached: true,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  const { pid, stdout: out, stderr: err } = child;
  if (out === null || err === null) throw buildFailed("The program's output cannot be read.");
  const kill = () => pid !== undefined && signalQuietly(-pid, "SIGKILL");
  let written = 0;
  let stdout = "";
  const lastWords: string[] = [];
  const tooMuch = () => written > outputBytes;
  const listen = (stream: NodeJS.ReadableStream, take: (lines: string[], chunk: Buffer) => void) => {
    const lines = new OutputLines();
    stream.on("data", (chunk: Buffer) => {
      if (tooMuch()) return;
      written += chunk.length;
      take(lines.take(chunk), chunk);
      if (tooMuch()) kill();
    });
    return () => take(lines.end(), Buffer.alloc(0));
  };
  const ends = [
    listen(out, (lines, chunk) => {
      if (stdout.length < STDOUT_BYTES) stdout += chunk.toString();
      if (!quiet) say(lines);
    }),
    listen(err, (lines) => {
      lastWords.push(...lines.filter((line) => line.trim() !== ""));
      lastWords.splice(0, lastWords.length - LAST_WORDS);
      say(lines);
    }),
  ];
  signal.addEventListener("abort", kill, { once: true });
  try {
    const closed = once(child, "close");
    // Its failure comes with that of the next line.
    closed.catch(() => undefined);
    const [code, name] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
    // Whatever it left running.
    kill();
    const timer = setTimeout(() => {
      out.destroy();
      err.destroy();
    }, PIPE_GRACE_MS);
    await closed;
    clearTimeout(timer);
    for (const end of ends) end();
    signal.throwIfAborted();
    if (tooMuch()) {
      throw buildFailed(
        `A step wrote more than ${Math.round(outputBytes / 2 ** 20)} MiB of output, so the build was ended.`,
      );
    }
    return { code: code ?? (name === "SIGKILL" ? 137 : 128), lastWords, stdout };
  } catch (error) {
    if (error instanceof Error && "syscall" in error)
      throw buildFailed(`The program cannot be started: ${error.message}.`, error);
    throw error;
  } finally {
    signal.removeEventListener("abort", kill);
    child.stdio[3]?.destroy();
  }
}
