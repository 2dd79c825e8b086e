import { HealthProbe, type InstanceHealth } from "#proto/rouse/agent/v1/agent.ts";
import type { CallCounts } from "../demand.ts";
import type { Ejection } from "./ejections.ts";
import type { Verdict } from "./machine.ts";

/** Over this span calls and errors of an instance are counted, ms. */
export const CALLS_WINDOW_MS = 10_000;
/** Loads are reported each second; two that come closer together have the same calls, ms. */
const REPORT_MS = 500;
/** Fewer errors than this say nothing. */
const LEAST_ERRORS = 5;
/** From this share of errors on an instance does badly. */
const ERROR_SHARE = 0.5;
/** An event loop that is this late, though it has no more calls than it should, is blocked, ms. */
const BLOCKED_MS = 1_000;
/** One that is this late has too much to do, ms. */
const LATE_MS = 250;

/**
 * How long each sign must last before it counts, ms: what may pass by itself has longer, and so has what Envoys leave out anyway, as its
 * agent may be about to say that it has ended.
 */
const PATIENCE = {
  unreachable: 3_000,
  notServing: 30_000,
  errors: 2_000,
  leftOut: 5_000,
  silent: 3_000,
  blocked: 10_000,
};
/** An Envoy that leaves an instance out so often within two minutes need not be borne out by another. */
const OFTEN = 2;

/** What is known of an instance at one moment. */
export interface Seen {
  /** What its agent says; undefined: nothing yet. */
  readonly vitals: InstanceHealth | undefined;
  /** What Envoys say of the last {@link CALLS_WINDOW_MS}. */
  readonly calls: { readonly begun: number; readonly errors: number };
  /** Calls open now, as Envoys have it. */
  readonly inProgress: number;
  /** What the contract aims at. */
  readonly targetConcurrency: number;
  /** Which Envoys leave it out now by their outlier detection. */
  readonly leftOut: readonly Ejection[];
  /** Hosts of Envoys whose word on that is not enough. */
  readonly doubtful: ReadonlySet<string>;
  /** It has to prove itself: the word of one Envoy is enough. */
  readonly onProbation: boolean;
}

/** What speaks against an instance, the worst first. A patience of Infinity: it is watched, and nothing is done. */
export function assess(seen: Seen): Verdict {
  const { vitals, calls, inProgress, targetConcurrency } = seen;
  const leftOut = assessLeftOut(seen);
  if (vitals?.probe === HealthProbe.UNREACHABLE)
    return bad("its health check does not get through", PATIENCE.unreachable);
  if (calls.errors >= LEAST_ERRORS && calls.errors >= ERROR_SHARE * calls.begun) {
    const of = Math.max(calls.begun, calls.errors);
    const errors = `${calls.errors} of its last ${of} calls ended with a gateway or server error`;
    return leftOut.bad === undefined
      ? bad(errors, PATIENCE.errors)
      : bad(`${errors}; ${leftOut.bad}`, Math.min(leftOut.patienceMs, PATIENCE.errors));
  }
  if (leftOut.patienceMs === PATIENCE.leftOut) return leftOut;
  if (vitals !== undefined && vitals.silentMs > 0)
    return bad(`its event loop has been blocked for ${seconds(vitals.silentMs)}`, PATIENCE.silent);
  const isOver = inProgress > targetConcurrency;
  if (vitals !== undefined && vitals.loopDelayMs >= BLOCKED_MS && !isOver)
    return bad(`its event loop is late by ${seconds(vitals.loopDelayMs)}`, PATIENCE.blocked);
  if (vitals?.probe === HealthProbe.NOT_SERVING)
    return bad("its health check says NOT_SERVING", PATIENCE.notServing);
  if (leftOut.bad !== undefined) return leftOut;
  // More calls for the others would help nobody.
  if (vitals !== undefined && (vitals.queue > 0 || isOver) && vitals.loopDelayMs >= LATE_MS) {
    const waiting = vitals.queue > 0 ? `, ${vitals.queue} more wait` : "";
    return bad(
      `it is congested: ${inProgress} calls in progress where ${targetConcurrency} are aimed at${waiting}, and its event loop is late by ${seconds(vitals.loopDelayMs)}`,
      Number.POSITIVE_INFINITY,
    );
  }
  return { bad: undefined, patienceMs: 0 };
}

/**
 * Of an instance that does well with others an Envoy may say the same: one tells what is between the two as well, and counts when
 * another says so, or when it says so again.
 */
function assessLeftOut({ leftOut, doubtful, onProbation }: Seen): Verdict {
  const trusted = leftOut.filter(({ host }) => !doubtful.has(host));
  const [first] = trusted;
  const [any] = leftOut;
  if (any === undefined) return { bad: undefined, patienceMs: 0 };
  if (first === undefined)
    return bad(
      `the Envoy of host ${any.host} left it out ${any.why}, as it did others on other hosts, so that it may be that host's network`,
      Number.POSITIVE_INFINITY,
    );
  if (trusted.length > 1) {
    const hosts = trusted.map(({ host }) => host).sort();
    return bad(`the Envoys of hosts ${hosts.join(", ")} left it out ${first.why}`, PATIENCE.leftOut);
  }
  const { host, times, why } = first;
  const often = times > 1 ? ` ${times} times within two minutes, the last time` : "";
  const counts = times >= OFTEN || onProbation;
  return bad(
    `the Envoy of host ${host} left it out${often} ${why}`,
    counts ? PATIENCE.leftOut : Number.POSITIVE_INFINITY,
  );
}

function bad(reason: string, patienceMs: number): Verdict {
  return { bad: reason, patienceMs };
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

/** Calls and errors of one instance over the last {@link CALLS_WINDOW_MS}. */
export class CallWindow {
  #reports: { readonly atMs: number; readonly issued: number; readonly errors: number }[] = [];

  /** Takes a load that was reported at `atMs`; the same one once, however many control planes report it. */
  add({ issued, errors }: CallCounts, atMs: number): void {
    const last = this.#reports.at(-1);
    if (issued + errors > 0 && (last === undefined || atMs - last.atMs >= REPORT_MS))
      this.#reports.push({ atMs, issued, errors });
  }

  sum(nowMs: number): { readonly begun: number; readonly errors: number } {
    this.#reports = this.#reports.filter(({ atMs }) => nowMs - atMs <= CALLS_WINDOW_MS);
    let begun = 0;
    let errors = 0;
    for (const report of this.#reports) {
      begun += report.issued;
      errors += report.errors;
    }
    return { begun, errors };
  }

  /** When the oldest report counts no longer, ms since 1970; Infinity when there is none. */
  get expiresMs(): number {
    const first = this.#reports[0];
    return first === undefined ? Number.POSITIVE_INFINITY : first.atMs + CALLS_WINDOW_MS + 1;
  }

  clear(): void {
    this.#reports = [];
  }
}
