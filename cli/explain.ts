import { RouseError } from "../sdk/errors.ts";

/**
 * What the command line says of an error: its message, and its status and reason when it has them. ROUSE_DEBUG=1
 * adds the stack.
 */
export function explain(thrown: unknown): string {
  if (isGeneratedCodeMissing(thrown))
    return 'The code of proto/ has not been generated: run "npm start", or "npm run proto", once.';
  const error = RouseError.from(thrown);
  const debug = process.env.ROUSE_DEBUG === "1" ? `\n${error.stack ?? ""}` : "";
  const known = thrown instanceof RouseError || "code" in Object(thrown);
  // An error of the system such as EACCES carries its own code in its message.
  if (!known || typeof (thrown as { code?: unknown }).code === "string") return `${error.message}${debug}`;
  const reason = error.reason === error.status ? error.status : `${error.status}, ${error.reason}`;
  return `${error.message} (${reason})${debug}`;
}

function isGeneratedCodeMissing(thrown: unknown): boolean {
  return (
    thrown instanceof Error &&
    "code" in thrown &&
    thrown.code === "ERR_MODULE_NOT_FOUND" &&
    thrown.message.includes("/proto/gen/")
  );
}
