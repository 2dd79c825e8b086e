import type { StartBuildRequest } from "#proto/rouse/registry/v1/builds.ts";
import { RouseError } from "../../sdk/errors.ts";
import { checkTagName } from "../tag-name.ts";

/** What to build, checked. */
export interface BuildOrder {
  readonly repository: string;
  /** Branch, tag or commit; empty: the repository's default branch. */
  readonly ref: string;
  /** From the repository's root; empty: the root itself. */
  readonly folder: string;
  readonly tags: readonly string[];
}

/** As long as the catalog keeps the source of a version. */
const MOST_URL = 500;
const MOST_REF = 200;
const MOST_FOLDER = 1_024;
const MOST_TAGS = 20;

/** What git is allowed to speak. */
export const PROTOCOLS = ["https", "http", "ssh", "git", "file"] as const;

/**
 * Checks a request to build. Nothing of it can be taken as an option by git, and none of it holds a password: everybody may
 * read a build.
 *
 * @throws RouseError INVALID_ARGUMENT REPOSITORY_INVALID, REF_INVALID, FOLDER_INVALID, TAG_INVALID.
 */
export function parseBuildRequest(request: StartBuildRequest): BuildOrder {
  const tags = [...new Set(request.tags)];
  if (tags.length > MOST_TAGS)
    throw invalid("TAG_INVALID", `The build names ${tags.length} tags. Name ${MOST_TAGS} at most.`);
  return {
    repository: checkRepository(request.repository),
    ref: checkRef(request.ref),
    folder: checkFolder(request.folder),
    tags: tags.map(checkTagName),
  };
}

function checkRepository(text: string): string {
  const bad = (why: string) =>
    invalid(
      "REPOSITORY_INVALID",
      `${shown(text)} is no repository that the registry clones: ${why}. Give a URL such as https://git.example.org/genome.git, or the absolute path of a repository on the registry's host.`,
    );
  if (text === "") throw bad("it is empty");
  if (text.length > MOST_URL) throw bad(`it has ${text.length} characters, and ${MOST_URL} are the most`);
  if (hasControl(text) || /\s/.test(text)) throw bad("it holds a blank or a control character");
  if (text.startsWith("-")) throw bad('it begins with "-"');
  if (text.startsWith("/")) return text;
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(text)?.[1];
  if (scheme === undefined) {
    // "user@host:path", as ssh takes it; "ext::command" would be run by git.
    if (/^([\w.-]+@)?[A-Za-z0-9][\w.-]*:(?!:)[^-]/.test(text)) return text;
    throw bad("it is neither a URL nor an absolute path");
  }
  if (!(PROTOCOLS as readonly string[]).includes(scheme))
    throw bad(`"${scheme}" is none of the protocols ${PROTOCOLS.join(", ")}`);
  const url = URL.parse(text);
  if (url === null) throw bad("its URL cannot be understood");
  if (url.password !== "" || (url.username !== "" && scheme.startsWith("http")))
    throw invalid(
      "REPOSITORY_INVALID",
      "The URL of the repository holds a name or password, which everybody could read in the build. Give the URL without it; the registry clones what can be cloned without asking.",
    );
  // ssh would take such a host as an option.
  if (url.hostname.startsWith("-") || decodeURIComponentSafe(url.hostname).startsWith("-"))
    throw bad('its host begins with "-"');
  if (scheme !== "file" && url.hostname === "") throw bad("it names no host");
  return text;
}

/** By the rules of git-check-ref-format(1), which leave out all that is special to revisions. */
function checkRef(text: string): string {
  if (text === "") return text;
  const wrong =
    text.length > MOST_REF ||
    hasControl(text) ||
    /^[-/.]|[ ~^:?*[\\]|\.\.|@\{|\/\/|\/\.|\.lock(\/|$)|[/.]$|^@$/.test(text);
  if (!wrong) return text;
  throw invalid(
    "REF_INVALID",
    `${shown(text)} is no name of a branch, a tag or a commit. Give one such as main, v1.2.0 or a commit's hex digits.`,
  );
}

function checkFolder(text: string): string {
  const folder = text.replace(/^\.\/|\/+$/g, "");
  if (folder === "" || folder === ".") return "";
  const parts = folder.split("/");
  const wrong =
    text.length > MOST_FOLDER ||
    hasControl(text) ||
    text.includes("\\") ||
    parts.some((part) => ["", ".", "..", ".git"].includes(part.toLowerCase()));
  if (!wrong) return folder;
  throw invalid(
    "FOLDER_INVALID",
    `${shown(text)} is no folder within the repository. Give its path from the root, such as services/genome.`,
  );
}

function hasControl(text: string): boolean {
  return /\p{Cc}|\p{Cf}|\p{Zl}|\p{Zp}|\p{Cs}/u.test(text);
}

function shown(text: string): string {
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text);
}

function decodeURIComponentSafe(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function invalid(reason: string, message: string): RouseError {
  return new RouseError("INVALID_ARGUMENT", message, { reason });
}
