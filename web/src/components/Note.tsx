import type { ComponentChildren } from "preact";
import { isUnimplemented, type RouseError } from "../api.ts";

/** A framed sentence; errors are told to screen readers at once. */
export function Note({
  kind = "info",
  children,
}: {
  readonly kind?: "info" | "warning" | "error" | "good";
  readonly children: ComponentChildren;
}) {
  return (
    <div class={`note ${kind}`} role={kind === "error" ? "alert" : "status"}>
      {children}
    </div>
  );
}

/** The server's own sentence; what this registry does not offer is a note and no alarm. */
export function ErrorNote({ error, what }: { readonly error: RouseError; readonly what: string }) {
  if (isUnimplemented(error))
    return <Note>{`This registry does not offer ${what} yet. It said: ${error.message}`}</Note>;
  return (
    <Note kind="error">
      <strong>{what[0]?.toUpperCase() + what.slice(1)}: </strong>
      {error.message} <code class="reason">{error.reason}</code>
    </Note>
  );
}
