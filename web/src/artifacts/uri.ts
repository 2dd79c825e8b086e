/** The digest in an artifact's URI, such as "sha256-9f86…"; undefined when the text is none. */
export function digestOf(uri: string): string | undefined {
  return /^artifact:(sha256-[0-9a-f]{64})(?:\?|$)/.exec(uri)?.[1];
}

/** Where the site shows an artifact; undefined when the text is no artifact's URI. */
export function artifactPath(uri: string): string | undefined {
  const digest = digestOf(uri);
  return digest === undefined ? undefined : `/artifacts/${digest}`;
}

/** The name in the URI of an artifact, or else the beginning of its digest. */
export function artifactName(uri: string): string {
  const at = uri.indexOf("?");
  const name = at < 0 ? null : new URLSearchParams(uri.slice(at)).get("name");
  return name || (digestOf(uri)?.slice("sha256-".length, 19) ?? uri);
}
