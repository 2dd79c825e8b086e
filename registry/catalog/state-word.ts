import { State } from "#proto/rouse/registry/v1/registry.ts";
import { liveState } from "../live-state.ts";
import type { VersionState } from "../state.ts";

const WORDS: Readonly<Record<State, string>> = {
  [State.UNSPECIFIED]: "",
  [State.COLD]: "cold",
  [State.STANDBY]: "standby",
  [State.STARTING]: "starting",
  [State.WARM]: "warm",
  [State.FAILED]: "failed",
  [State.STOPPED]: "stopped",
  [State.PENDING]: "pending",
  [State.CRASH_LOOPING]: "crash-looping",
};

/** The states that a filter may ask for. */
export const STATE_WORDS = [
  "cold",
  "standby",
  "starting",
  "warm",
  "failed",
  "stopped",
  "pending",
  "crash-looping",
] as const;

/**
 * The state of a version in one word, and why. "pending": a person must approve it before it runs.
 *
 * @param isWaking Calls are held for it.
 */
export function stateWord(version: VersionState, isWaking: boolean): { state: string; reason: string } {
  if (version.barred === true) {
    const reason = version.approval === "denied" ? "Its approval was denied." : "It awaits approval.";
    return { state: "pending", reason };
  }
  const { state, reason } = liveState(version);
  const asleep = state === State.COLD || state === State.STANDBY;
  return { state: WORDS[asleep && isWaking ? State.STARTING : state], reason };
}
