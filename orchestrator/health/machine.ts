import { clampEnd } from "../../registry/ends.ts";
import type { Condition, HealthRecord } from "../../registry/health-record.ts";

/** What is seen at one moment. */
export interface Verdict {
  /** Why it does badly, as a clause; undefined: nothing speaks against it. */
  readonly bad: string | undefined;
  /** For how long it must do badly without a break before it is quarantined, ms. Infinity: it is only watched. */
  readonly patienceMs: number;
}

export interface Limits {
  /** Length of the first quarantine, ms; each further one is twice as long. */
  readonly quarantineMs: number;
  readonly longestQuarantineMs: number;
  /** How long probation lasts, ms. */
  readonly probationMs: number;
  /** A suspect that does well for this long is healthy again, ms. */
  readonly clearMs: number;
  /** Strikes are forgiven after this healthy time, ms. */
  readonly forgiveMs: number;
  /** Which strike retires it; Infinity: none does. */
  readonly retireAt: number;
}

/** The longest quarantine, in first ones. */
const LONGEST = 30;

/**
 * The limits of instances. Envoy's own first ejection takes 10 s by our configuration, too.
 *
 * @param quarantineMs Length of the first quarantine.
 */
export function instanceLimits(quarantineMs = 10_000, probationMs = 15_000): Limits {
  return {
    quarantineMs,
    longestQuarantineMs: LONGEST * quarantineMs,
    probationMs,
    clearMs: 5_000,
    forgiveMs: 600_000,
    retireAt: 4,
  };
}

export const INSTANCE_LIMITS: Limits = instanceLimits();

/** Only a person takes a host away for good. */
export const HOST_LIMITS: Limits = {
  ...INSTANCE_LIMITS,
  quarantineMs: 60_000,
  longestQuarantineMs: 1_800_000,
  probationMs: 60_000,
  retireAt: Number.POSITIVE_INFINITY,
};

export function healthy(nowMs: number): HealthRecord {
  return { condition: "healthy", sinceMs: nowMs, reason: "", strikes: 0 };
}

/**
 * The next record. Pure; the same object when nothing changes.
 *
 * @param mayLeave Whether the rest can do without it: a quarantine waits for that, and what waits is {@link condemned}.
 */
export function step(
  record: HealthRecord,
  verdict: Verdict,
  nowMs: number,
  mayLeave: boolean,
  limits: Limits = INSTANCE_LIMITS,
): HealthRecord {
  const { bad } = verdict;
  const counts = bad !== undefined && verdict.patienceMs !== Number.POSITIVE_INFINITY;
  switch (record.condition) {
    case "healthy":
      if (bad !== undefined) return { ...enter(record, "suspect", bad, nowMs), badAtMs: nowMs };
      if (record.strikes > 0 && nowMs - record.sinceMs >= limits.forgiveMs) return { ...record, strikes: 0 };
      return record;
    case "suspect":
      if (bad === undefined) {
        const wellMs = nowMs - (record.badAtMs ?? record.sinceMs);
        return wellMs >= limits.clearMs ? enter(record, "healthy", "", nowMs) : record;
      }
      if (mayLeave && nowMs - record.sinceMs >= verdict.patienceMs)
        return quarantine(record, bad, nowMs, limits);
      return { ...record, reason: bad, badAtMs: nowMs };
    case "quarantined":
      if (nowMs < (record.untilMs ?? 0)) return record;
      // Who is known to be unwell needs no calls to prove it.
      if (counts) return quarantine(record, bad, nowMs, limits);
      return {
        ...enter(record, "probation", record.reason, nowMs),
        untilMs: nowMs + limits.probationMs,
      };
    case "probation":
      if (counts) return quarantine(record, bad, nowMs, limits);
      return nowMs >= (record.untilMs ?? 0) ? enter(record, "healthy", "", nowMs) : record;
    case "retired":
      return record;
  }
}

/** A suspect that would be quarantined if the rest could do without it: it is to be replaced first. */
export function condemned(record: HealthRecord, verdict: Verdict, nowMs: number): boolean {
  return (
    record.condition === "suspect" &&
    verdict.bad !== undefined &&
    nowMs - record.sinceMs >= verdict.patienceMs
  );
}

/** When the record changes though nothing new is seen, ms since 1970; undefined: never. */
export function nextChangeMs(
  record: HealthRecord,
  verdict: Verdict,
  limits: Limits = INSTANCE_LIMITS,
): number | undefined {
  switch (record.condition) {
    case "suspect":
      return verdict.bad === undefined
        ? (record.badAtMs ?? record.sinceMs) + limits.clearMs
        : record.sinceMs + verdict.patienceMs;
    case "quarantined":
    case "probation":
      return record.untilMs;
    case "healthy":
      return record.strikes > 0 ? record.sinceMs + limits.forgiveMs : undefined;
    case "retired":
      return undefined;
  }
}

/**
 * A record that a former leader wrote by its clock, as this one's has it: nothing began in the future, and what ends does so within its
 * span from now. Pure; the same object when that holds already.
 */
export function takenOver(
  record: HealthRecord,
  nowMs: number,
  limits: Limits = INSTANCE_LIMITS,
): HealthRecord {
  const { condition, sinceMs, untilMs, badAtMs, strikes } = record;
  const longestMs = condition === "probation" ? limits.probationMs : quarantineMs(strikes, limits);
  const isAhead = (ms: number | undefined, mostMs: number) => ms !== undefined && ms > mostMs;
  if (!isAhead(sinceMs, nowMs) && !isAhead(badAtMs, nowMs) && !isAhead(untilMs, nowMs + longestMs))
    return record;
  return {
    ...record,
    sinceMs: Math.min(sinceMs, nowMs),
    ...(untilMs === undefined ? {} : { untilMs: clampEnd(untilMs, longestMs, nowMs) }),
    ...(badAtMs === undefined ? {} : { badAtMs: Math.min(badAtMs, nowMs) }),
  };
}

/** Length of the n-th quarantine, ms. */
export function quarantineMs(strikes: number, limits: Limits = INSTANCE_LIMITS): number {
  return Math.min(limits.quarantineMs * 2 ** Math.max(0, strikes - 1), limits.longestQuarantineMs);
}

function quarantine(record: HealthRecord, reason: string, nowMs: number, limits: Limits): HealthRecord {
  const strikes = record.strikes + 1;
  if (strikes >= limits.retireAt)
    return { ...enter(record, "retired", reason, nowMs), strikes, badAtMs: nowMs };
  const untilMs = nowMs + quarantineMs(strikes, limits);
  return { ...enter(record, "quarantined", reason, nowMs), strikes, untilMs, badAtMs: nowMs };
}

function enter(record: HealthRecord, condition: Condition, reason: string, nowMs: number): HealthRecord {
  const { strikes, badAtMs } = record;
  return { condition, sinceMs: nowMs, reason, strikes, ...(badAtMs === undefined ? {} : { badAtMs }) };
}

/**
 * Whether a version of which `usable` other instances serve well, and `out` are quarantined, can do without one more: what is
 * left must be at least as many as are out. So one of two may go, two of four, and the only one never before another serves.
 */
export function canSpare(usable: number, out: number): boolean {
  return usable >= out + 1;
}
