import { Metadata } from "@grpc/grpc-js";
import { RouseError } from "../../sdk/errors.ts";

/**
 * Request headers of flags such as "name:value".
 *
 * @throws RouseError INVALID_ARGUMENT FLAG_INVALID.
 */
export function parseHeaders(texts: readonly string[]): Metadata {
  const metadata = new Metadata();
  for (const text of texts) {
    const colon = text.indexOf(":");
    try {
      if (colon < 1) throw new Error("it has no colon");
      metadata.add(text.slice(0, colon).trim(), text.slice(colon + 1).trim());
    } catch (error) {
      throw new RouseError(
        "INVALID_ARGUMENT",
        `-H "${text}" is no header (${(error as Error).message}): write -H name:value.`,
        { reason: "FLAG_INVALID" },
      );
    }
  }
  return metadata;
}
