const tones: Readonly<Record<string, string>> = {
  warm: "good",
  starting: "info",
  standby: "info",
  failed: "bad",
  "crash-looping": "bad",
  quarantined: "bad",
  denied: "bad",
  stopped: "warn",
  pending: "warn",
  suspect: "warn",
  probation: "warn",
  retired: "bad",
  draining: "warn",
};

/** A version's state in the API's own word; the colour only repeats it. */
export function StateBadge({ state, reason = "" }: { readonly state: string; readonly reason?: string }) {
  if (state === "") return null;
  return (
    <span class={`badge ${tones[state] ?? ""} ${state === "starting" ? "starting" : ""}`} title={reason}>
      <span class="dot" aria-hidden="true" />
      {state}
    </span>
  );
}
