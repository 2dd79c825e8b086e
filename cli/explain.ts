import { RouseError } from "../sdk/errors.ts";

/**
 * What the command line says of an error: its message, and its status and reason when it has them. ROUSE_DEBUG=1
 * adds the stack.
 */
export function explain(thrown: unknown): string {
  const error = RouseError.from(thrown);
  const debug = process.env.ROUSE_DEBUG === "1" ? `\n${error.stack ?? ""}` : "";
  const known = thrown instanceof RouseError || "code" in Object(thrown);
  // An error of the system such as EACCES carries its own code in its message.
  if (!known || typeof (thrown as { code?: unknown }).code === "string") return `${error.message}${debug}`;
  const reason = error.reason === error.status ? error.status : `${error.status}, ${error.reason}`;
  return `${error.message} (${reason})${debug}`;
}
