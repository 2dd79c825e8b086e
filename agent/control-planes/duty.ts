import type { ControlPlane, ControlSlot } from "../../registry/control-planes.ts";
import { score } from "./order.ts";

/** A control plane that is started again by who runs it is back within this time, ms; only after it is another one started. */
const PATIENCE_MS = 3_000;
/** Agents of other hosts wait longer, each for another time, so that as a rule one of them is the first; ms. */
const OTHERS_MS = 1_000;
const SPREAD_MS = 2_000;

export interface DutyView {
  /** This host. */
  readonly host: string;
  readonly slots: ReadonlyMap<string, ControlSlot>;
  readonly planes: readonly ControlPlane[];
  /** Since when each slot's own control plane is missing, ms. */
  readonly missingSinceMs: ReadonlyMap<string, number>;
  readonly nowMs: number;
}

/** Slots whose own control plane is not well. */
export function missing({ slots, planes }: Pick<DutyView, "slots" | "planes">): Set<string> {
  const well = new Set(planes.filter(({ healthy }) => healthy).map(({ id }) => id));
  return new Set([...slots.keys()].filter((slot) => !well.has(slot)));
}

/**
 * In the place of which control planes this host's agent should run one: those that are missing for long enough and that no
 * other host stands in for. Pure.
 *
 * @returns the slots, and when to look again though nothing happens (ms).
 */
export function duties(view: DutyView): { slots: Set<string>; lookAgainMs: number } {
  const { host, slots, planes, missingSinceMs, nowMs } = view;
  const due = new Set<string>();
  let lookAgainMs = Number.POSITIVE_INFINITY;
  for (const slot of missing(view)) {
    const others = planes.some(
      (plane) => plane.slot === slot && plane.id !== slot && plane.healthy && plane.host !== host,
    );
    if (others) continue;
    const own = slots.get(slot)?.host === host;
    const delayMs = PATIENCE_MS + (own ? 0 : OTHERS_MS + SPREAD_MS * score(host, slot));
    const dueMs = (missingSinceMs.get(slot) ?? nowMs) + delayMs;
    if (nowMs >= dueMs) due.add(slot);
    else lookAgainMs = Math.min(lookAgainMs, dueMs);
  }
  return { slots: due, lookAgainMs };
}
