import type { InstanceSpec } from "#proto/rouse/agent/v1/agent.ts";
import { RouseError } from "../sdk/errors.ts";
import type { Ending, OutputLine, Unit } from "./runtimes/runtime.ts";
import { mebibytes, shorten } from "./words.ts";

/** How many lines of output a reason quotes. */
const quotedLines = 6;

/** The last lines of a unit's output, stderr's after stdout's. Empty when they cannot be had. */
export async function lastOutput(unit: Unit): Promise<string> {
  const lines: OutputLine[] = [];
  try {
    for await (const line of unit.logs({ tail: 20, follow: false })) lines.push(line);
  } catch {
    // The engine that keeps the output went away: the reason stands without it.
    return "";
  }
  return lastLines(lines);
}

/** The last of those lines that say something. */
export function lastLines(lines: readonly OutputLine[]): string {
  const telling = lines.filter(({ line }) => line.trim() !== "").slice(-quotedLines);
  return telling.map(({ line }) => shorten(line, 300)).join("\n");
}

/** Whether nobody saw the unit end, but something else is known of it: then its last output says nothing. */
export function isLost({ exitCode, signal, detail }: Ending): boolean {
  return exitCode === undefined && signal === undefined && detail !== undefined;
}

/** Says how a unit ended: exit code, signal or memory, and its last words. */
export function describeEnding(ending: Ending, spec: InstanceSpec, output: string): RouseError {
  const what = `${spec.service} ${spec.version}`;
  const said = output === "" ? " It printed nothing." : ` Its last output:\n${output}`;
  if (isLost(ending))
    return new RouseError("ABORTED", `${what} ended: ${ending.detail}.`, { reason: "INSTANCE_LOST" });
  if (ending.outOfMemory || output.includes("JavaScript heap out of memory"))
    return new RouseError(
      "ABORTED",
      `${what} used more than its ${mebibytes(spec.memoryBytes)} of memory and was killed (out of memory). Raise resources.memory in its contract, or let it use less.${said}`,
      { reason: "INSTANCE_OUT_OF_MEMORY" },
    );
  const how =
    ending.signal !== undefined
      ? `was ended by ${ending.signal}`
      : ending.exitCode !== undefined
        ? `exited with code ${ending.exitCode}`
        : "ended while no agent watched it";
  const why = ending.detail === undefined ? "" : ` (${shorten(ending.detail, 1_000)})`;
  return new RouseError("ABORTED", `${what} ${how}${why}.${said}`, { reason: "INSTANCE_EXITED" });
}

/** For a unit that did not get ready in time: what it does instead, as far as that can be seen. */
export function describeTimeout(
  spec: InstanceSpec,
  expected: string | undefined,
  seen: {
    readonly listening: readonly string[] | undefined;
    readonly health: string | undefined;
    readonly output: string;
  },
): RouseError {
  const what = `${spec.service} ${spec.version} was not ready within its start timeout of ${spec.startTimeoutMs} ms`;
  const said = seen.output === "" ? "" : ` Its last output:\n${seen.output}`;
  const port = expected?.slice(expected.lastIndexOf(":") + 1);
  const listening = seen.listening ?? [];
  const others = listening.filter((address) => !address.endsWith(`:${port}`));
  if (seen.health !== undefined)
    return new RouseError(
      "DEADLINE_EXCEEDED",
      `${what}: it listens, but its health (grpc.health.v1) is ${seen.health}. Let it set SERVING, or raise start_timeout in its contract.${said}`,
      { reason: "START_TIMEOUT" },
    );
  if (others.length > 0 && port !== undefined)
    return new RouseError(
      "DEADLINE_EXCEEDED",
      `${what}: it listens on ${others.join(", ")} instead of port ${port}. Let it listen on 0.0.0.0 and the port in the variable PORT, or register the image with its port.${said}`,
      { reason: "WRONG_PORT" },
    );
  if (others.length > 0)
    return new RouseError(
      "DEADLINE_EXCEEDED",
      `${what}: it listens on ${others.join(", ")}, but never announced itself. Start it by serve() of rouse/server, which listens on ROUSE_LISTEN and announces itself on ROUSE_NOTIFY.${said}`,
      { reason: "WRONG_PORT" },
    );
  const state =
    seen.listening === undefined
      ? "it runs, but never announced itself on ROUSE_NOTIFY"
      : listening.length === 0
        ? "it runs, but listens nowhere"
        : `it listens on ${listening.join(", ")}, but cannot be reached there or never announced itself on ROUSE_NOTIFY`;
  return new RouseError(
    "DEADLINE_EXCEEDED",
    `${what}: ${state}. Raise start_timeout in its contract if it needs longer.${said}`,
    { reason: "START_TIMEOUT" },
  );
}

export function describeForeignProtocol(spec: InstanceSpec, expected: string, words: string): RouseError {
  const port = expected.slice(expected.lastIndexOf(":") + 1);
  return new RouseError(
    "ABORTED",
    `${spec.service} ${spec.version} opened port ${port}, but speaks no HTTP/2 there (it answered "${words}"). A gRPC server must listen on that port, without TLS.`,
    { reason: "NOT_HTTP2" },
  );
}
