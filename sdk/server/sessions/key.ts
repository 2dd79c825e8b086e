import type { Metadata } from "@grpc/grpc-js";

/** The key of the call's session; undefined: it has none. */
export function keyOf(metadata: Metadata, header: string): string | undefined {
  const [key] = metadata.get(header);
  return typeof key === "string" && key !== "" ? key : undefined;
}
