import type { VersionManifest } from "../registry/state.ts";
import type { Target } from "../registry/target.ts";
import { clusterName } from "../registry/target.ts";

/** A start that failed. */
export interface Attempt {
  readonly host: string;
  /** Stable reason of its error, such as "INSTANCE_EXITED". */
  readonly reason: string;
  /** What went wrong, as a clause. */
  readonly message: string;
  /** From when it was placed until it failed, ms since 1970. */
  readonly beganMs: number;
  readonly failedMs: number;
}

/**
 * So often a version is started for those who wait, in all. Two hosts with the same fault of their own are rare, three are hardly
 * chance: then it is the version, which must not be tried on every host of a large mesh.
 */
const MOST_TRIES = 3;
/** So often it may end in the same way on hosts where it was tried before, until its contract or its code is taken for broken. */
const SAME_ENDS = 2;

/** What may go better at the next start, on whatever host. */
const PASSING = new Set(["INSTANCE_EXITED", "INSTANCE_LOST", "SPAWN_FAILED", "HOST_FULL"]);
/** What may go better on another host only. */
const LOCAL = new Set([
  "START_TIMEOUT",
  // Its agent said nothing, or is not back in time.
  "UNAVAILABLE",
  "DEADLINE_EXCEEDED",
  "HOST_SETTLING",
  "MOUNT_MISSING",
  "IMAGE_NOT_FOUND",
  "IMAGE_NEEDS_ENGINE",
  "HOST_TOO_SMALL",
  "HOST_UNKNOWN",
  "DISK_FULL",
  "ENGINE_UNAVAILABLE",
  "ENGINE_REFUSED",
  "REGISTRY_UNREACHABLE",
]);

/**
 * Whether a start is tried again after it failed, before callers are told. Pure.
 *
 * @param attempts - All that failed so far, the latest last.
 * @param isElsewhere - There is a host where it was not tried yet.
 * @param waitedForMs - Until when callers wait, ms since 1970: what remains must be as long as the latest attempt took.
 */
export function triesAgain(attempts: readonly Attempt[], isElsewhere: boolean, waitedForMs: number): boolean {
  const last = attempts.at(-1);
  if (last === undefined || attempts.length >= MOST_TRIES) return false;
  if (last.failedMs + (last.failedMs - last.beganMs) > waitedForMs) return false;
  if (isElsewhere) return PASSING.has(last.reason) || LOCAL.has(last.reason);
  if (!PASSING.has(last.reason)) return false;
  return attempts.filter((attempt) => endOf(attempt) === endOf(last)).length < SAME_ENDS;
}

/**
 * How long callers wait for a cold version, ms: the deadline that generated clients give a call, of the method with the longest one
 * (sdk/client/attempt.ts). Envoy, which holds the calls, tells nobody what the deadline of one is.
 */
export function patienceMs({
  startTimeoutMs,
  methods,
}: Pick<VersionManifest, "startTimeoutMs" | "methods">): number {
  const longest = methods.map(({ deadlineMs }) => (deadlineMs === 0 ? Number.POSITIVE_INFINITY : deadlineMs));
  return startTimeoutMs + Math.max(...longest);
}

/** What two ends have in common: the reason, and the exit code or signal. */
function endOf({ reason, message }: Attempt): string {
  return `${reason} ${/\bcode \d+|\bSIG[A-Z]+\d*/.exec(message)?.[0] ?? ""}`;
}

/** Tells all attempts in one clause: the latest in full, of the others the first line. */
export function tellAttempts(attempts: readonly Attempt[]): string {
  const last = attempts.at(-1);
  if (last === undefined) return "";
  const told = `${last.message} (host ${last.host})`;
  const before = attempts.slice(0, -1);
  if (before.length === 0) return told;
  const others = before.map(({ host, message }) => `on ${host}, ${firstLine(message)}`);
  return `${told}; it was tried ${attempts.length} times, before that: ${others.join("; ")}`;
}

/** What a clause says before the output that it quotes, which follows on lines of its own. */
export function firstLine(text: string): string {
  const [line = ""] = text.split("\n", 1);
  return line.replace(/\.? Its last output:$/, "").slice(0, 200);
}

/** The starts that failed for those who still wait, by target. */
export class Attempts {
  readonly #attempts = new Map<string, Attempt[]>();

  /** Notes one. @returns all of the target. */
  note(target: Target, attempt: Attempt): readonly Attempt[] {
    const key = clusterName(target);
    const all = [...(this.#attempts.get(key) ?? []), attempt];
    this.#attempts.set(key, all);
    return all;
  }

  /** All of the target. */
  of(target: Target): readonly Attempt[] {
    return this.#attempts.get(clusterName(target)) ?? [];
  }

  /** It serves, or its callers were told. */
  clear(target: Target): void {
    this.#attempts.delete(clusterName(target));
  }
}
