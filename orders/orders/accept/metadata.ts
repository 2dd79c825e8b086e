import type { VersionManifest } from "../../../registry/state.ts";
import { RouseError } from "../../../sdk/errors.ts";
import { LONGEST, METADATA_NAME, MOST_METADATA } from "./limits.ts";

/** Headers that mean something to the mesh or to gRPC. */
const RESERVED = /^(?:rouse|grpc|x-envoy)-|^(?:te|content-type|authorization|host|user-agent|cookie)$|-bin$/i;
/** What a header may hold. */
const PRINTABLE = /^[\x20-\x7e]*$/;

/**
 * Checks the metadata of a task: what the contract requires (about.metadata) is there, and where it lists what there is, nothing
 * else.
 *
 * @param kind A call gets them as request headers, a job reads them.
 * @throws RouseError INVALID_ARGUMENT METADATA_INVALID naming task and entry.
 */
export function checkMetadata(
  metadata: Readonly<Record<string, string>>,
  { about, service }: Pick<VersionManifest, "about" | "service">,
  kind: "job" | "call",
  task: string,
): void {
  const invalid = (why: string) =>
    new RouseError("INVALID_ARGUMENT", `Task "${task}": ${why}.`, {
      reason: "METADATA_INVALID",
      metadata: { task },
    });
  const entries = Object.entries(metadata);
  if (entries.length > MOST_METADATA) throw invalid(`it has more than ${MOST_METADATA} entries of metadata`);
  for (const [name, value] of entries) {
    if (!METADATA_NAME.test(name))
      throw invalid(
        `${JSON.stringify(name)} is no name of metadata: up to 64 letters, digits, ".", "_" and "-"`,
      );
    if (value.length > LONGEST.metadataValue)
      throw invalid(`the metadata "${name}" has more than ${LONGEST.metadataValue} characters`);
    if (kind === "job") continue;
    if (RESERVED.test(name)) throw invalid(`the metadata "${name}" would be a header that is not for users`);
    if (!PRINTABLE.test(value))
      throw invalid(`the metadata "${name}" goes as a header, and has characters other than printable ASCII`);
  }
  const declared = about?.metadata ?? [];
  const given = new Set(entries.map(([name]) => name.toLowerCase()));
  const there = declared.map(({ name }) => name).join(", ");
  const missing = declared.find(({ name, required }) => required && !given.has(name.toLowerCase()));
  if (missing !== undefined)
    throw invalid(`${service} requires the metadata "${missing.name}" (${firstLine(missing.description)})`);
  const known = new Set(declared.map(({ name }) => name.toLowerCase()));
  const stray = known.size === 0 ? undefined : entries.find(([name]) => !known.has(name.toLowerCase()));
  if (stray !== undefined)
    throw invalid(`the metadata "${stray[0]}" is not in the contract: ${service} has ${there}`);
}

function firstLine(text: string): string {
  return text.split("\n")[0]?.slice(0, 120).replace(/\.$/, "") ?? "";
}
