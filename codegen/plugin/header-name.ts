/** Headers that gRPC, HTTP or the mesh fill in themselves. */
const taken = new Set([
  "accept-encoding",
  "connection",
  "content-length",
  "content-type",
  "host",
  "rouse-version",
  "te",
  "traceparent",
  "tracestate",
  "transfer-encoding",
  "user-agent",
]);

/** What is wrong with the name of a session header, in one sentence; undefined: nothing. Empty means no sessions. */
export function checkSessionKey(name: string): string | undefined {
  if (name === "") return undefined;
  const key = name.toLowerCase();
  // The characters of gRPC metadata keys: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
  if (!/^[0-9a-z_.-]{1,128}$/.test(key))
    return `session_key ${JSON.stringify(name)} is no header name. Use letters, digits, "-", "_" and ".", such as "session-id".`;
  if (key.startsWith("grpc-") || key.endsWith("-bin") || taken.has(key))
    return `session_key ${JSON.stringify(name)} has a meaning of its own in gRPC. Choose another name, such as "session-id".`;
  return undefined;
}
