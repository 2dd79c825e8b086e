import type { IncomingMessage } from "node:http";
import type { z } from "zod";
import type { RouseError } from "../../sdk/errors.ts";
import { refused } from "./refusals.ts";

/** A body, whole. @throws what `tooLarge` makes when it has more bytes than that. */
export async function readBody(
  request: IncomingMessage,
  most: number,
  tooLarge: () => RouseError,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > most) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** A body that is JSON of a form. @throws RouseError INVALID_ARGUMENT JOB_REQUEST_INVALID. */
export async function readJson<T>(request: IncomingMessage, most: number, schema: z.ZodType<T>): Promise<T> {
  const bytes = await readBody(request, most, () => refused(`the body has more than ${most / 1024} KiB`));
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    throw refused(`the body is not JSON (${(error as Error).message})`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, message }) => `${path.join(".") || "body"}: ${message}`);
  throw refused(issues.join("; "));
}
