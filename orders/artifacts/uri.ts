import { RouseError } from "../../sdk/errors.ts";

/** What an artifact's URI says. */
export interface ArtifactUri {
  /** SHA-256 of the content, 64 lower-case hex digits. */
  readonly digest: string;
  /** A file name for people; empty: none. It does not tell one artifact from another. */
  readonly name: string;
}

const FORM = /^artifact:sha256-([0-9a-f]{64})(?:\?name=([^?#&]*))?$/;
const LONGEST_NAME = 255;

/** Characters that make a name a path, or cannot be shown. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
const NOT_IN_NAMES = /[/\\\u0000-\u001f\u007f]/;

/**
 * Reads "artifact:sha256-<64 hex digits>", with "?name=…" or without.
 *
 * @throws RouseError INVALID_ARGUMENT ARTIFACT_URI_INVALID.
 */
export function parseArtifactUri(uri: string): ArtifactUri {
  const [, digest, escaped = ""] = FORM.exec(uri) ?? [];
  const name = digest === undefined ? undefined : decodeName(escaped);
  if (digest === undefined || name === undefined || !isArtifactName(name)) {
    throw new RouseError(
      "INVALID_ARGUMENT",
      `${JSON.stringify(uri.slice(0, 120))} is no artifact's URI. One is "artifact:sha256-" and 64 lower-case hex digits, with "?name=" and a file name at most.`,
      { reason: "ARTIFACT_URI_INVALID" },
    );
  }
  return { digest, name };
}

/** The URI of a content; the name is left out when it is empty or cannot be a file's. */
export function artifactUri(digest: string, name = ""): string {
  const shown = name !== "" && isArtifactName(name) ? `?name=${encodeURIComponent(name)}` : "";
  return `artifact:sha256-${digest}${shown}`;
}

/** True for text that can be the name of a file in one folder, and for none. */
export function isArtifactName(name: string): boolean {
  const fits = name.length <= LONGEST_NAME && name.isWellFormed() && !NOT_IN_NAMES.test(name);
  return fits && name !== "." && name !== "..";
}

function decodeName(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
