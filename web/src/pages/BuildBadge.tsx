import { type Build, Build_State } from "../../gen/rouse/registry/v1/builds.ts";

const words: Readonly<Record<number, readonly [string, string]>> = {
  [Build_State.STATE_QUEUED]: ["queued", ""],
  [Build_State.STATE_RUNNING]: ["running", "info starting"],
  [Build_State.STATE_SUCCEEDED]: ["succeeded", "good"],
  [Build_State.STATE_FAILED]: ["failed", "bad"],
  [Build_State.STATE_CANCELLED]: ["cancelled", "warn"],
};

/** The state of a build, and the step that it is at. */
export function BuildBadge({ build }: { readonly build: Build }) {
  const [word, tone] = words[build.state] ?? ["unknown", ""];
  return (
    <span class={`badge ${tone}`} title={build.reason}>
      <span class="dot" aria-hidden="true" />
      {isOver(build) || build.step === "" ? word : `${word}: ${build.step}`}
    </span>
  );
}

/** True when it will not change any more. */
export function isOver({ state }: Build): boolean {
  return state !== Build_State.STATE_QUEUED && state !== Build_State.STATE_RUNNING;
}
