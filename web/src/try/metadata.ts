import type { MetadataField } from "./share.ts";

/** Set by the page or by gRPC itself. */
const reserved = new Set([
  "content-type",
  "grpc-timeout",
  "te",
  "user-agent",
  "x-grpc-web",
  "x-user-agent",
  "rouse-version",
  "traceparent",
  "host",
  "content-length",
  "connection",
]);

/** What is wrong with a request header; undefined: nothing. gRPC allows printable ASCII only. */
export function metadataProblem({ name, value }: MetadataField): string | undefined {
  if (name === "") return value === "" ? undefined : "Give the field a name.";
  if (!/^[0-9a-z_.-]+$/i.test(name)) return "Names have letters, digits, _, - and . only.";
  const lower = name.toLowerCase();
  if (reserved.has(lower)) return `"${lower}" is set by the page itself.`;
  if (lower.startsWith("grpc-")) return 'Names that begin with "grpc-" belong to gRPC.';
  if (lower.endsWith("-bin"))
    return /^[A-Za-z0-9+/]*={0,2}$/.test(value) ? undefined : "The value of a -bin field is base64.";
  return /^[\x20-\x7e]*$/.test(value)
    ? undefined
    : 'Values have printable ASCII only; others need a "-bin" name and base64.';
}

/** What is wrong with a deadline as typed; undefined: nothing. */
export function deadlineProblem(text: string): string | undefined {
  if (text.trim() === "") return undefined;
  const ms = Number(text);
  return Number.isInteger(ms) && ms >= 1 && ms <= 86_400_000
    ? undefined
    : "Write milliseconds, from 1 to 86400000 (a day).";
}
