const tones: Readonly<Record<string, string>> = {
  running: "info starting",
  working: "info starting",
  succeeded: "good",
  done: "good",
  failed: "bad",
  cancelled: "warn",
};

/** The state of a piece of work, in a word; the colour only repeats it. */
export function WorkBadge({ state, note = "" }: { readonly state: string; readonly note?: string }) {
  return (
    <span class={`badge ${tones[state] ?? ""}`} title={note}>
      <span class="dot" aria-hidden="true" />
      {state}
    </span>
  );
}
