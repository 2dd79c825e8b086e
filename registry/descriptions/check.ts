import type { About, Source } from "#proto/rouse/catalog/v1/catalog.ts";
import { RouseError } from "../../sdk/errors.ts";
import type { VersionManifest } from "../state.ts";
import { aboutSchema } from "./about.ts";
import { textFault } from "./text.ts";

/** Most of a description in all, as JSON; it shares a transaction with the catalog's entry. Bytes. */
const MAX_ABOUT_BYTES = 120_000;

/**
 * A description that passed all checks. HTML in it is no fault: whoever shows it shows that as text.
 *
 * @throws RouseError INVALID_ARGUMENT ABOUT_INVALID naming each field that is wrong.
 */
export function checkAbout(about: About): About {
  const parsed = aboutSchema.safeParse(about);
  if (!parsed.success) {
    const faults = parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
    const shown = faults.length > 8 ? [...faults.slice(0, 8), `${faults.length - 8} more`] : faults;
    throw invalid(`The description cannot be kept: ${shown.join("; ")}.`);
  }
  const bytes = Buffer.byteLength(JSON.stringify(parsed.data));
  if (bytes > MAX_ABOUT_BYTES) {
    throw invalid(
      `The description takes ${bytes} bytes in all; ${MAX_ABOUT_BYTES} are kept. Shorten it, and link to what is longer.`,
    );
  }
  return parsed.data;
}

const SOURCE_LIMITS = { repository: 500, ref: 200, build: 100 } as const;

/**
 * Where code came from, checked; undefined when nothing is said.
 *
 * @throws RouseError INVALID_ARGUMENT SOURCE_INVALID.
 */
export function checkSource(source: Source | undefined): Source | undefined {
  if (source === undefined) return undefined;
  const { repository, ref, commit, build } = source;
  if (repository + ref + commit + build === "") return undefined;
  for (const [name, most] of Object.entries(SOURCE_LIMITS)) {
    const value = source[name as keyof typeof SOURCE_LIMITS];
    const fault = value.length > most ? `has more than ${most} characters` : textFault(value, false);
    if (fault !== undefined) throw badSource(`source.${name} ${fault}`);
  }
  const password = /^[a-z][a-z0-9+.-]*:\/\/[^/@]*:[^/@]*@/i.test(repository);
  if (password) throw badSource("source.repository holds a password, which everybody could read");
  if (commit !== "" && !/^[0-9a-f]{40}$/.test(commit))
    throw badSource(`source.commit ${JSON.stringify(commit.slice(0, 60))} is no commit of 40 hex digits`);
  return { repository, ref, commit, build };
}

/**
 * Texts of a manifest that people read must not hide anything in control characters.
 *
 * @throws RouseError INVALID_ARGUMENT MANIFEST_INVALID.
 */
export function checkTexts(manifest: VersionManifest): void {
  const texts: [string, string, boolean][] = [
    ["owner", manifest.owner, false],
    ...manifest.methods.map(({ name, docs }): [string, string, boolean] => [`docs of ${name}`, docs, true]),
  ];
  for (const [name, text, lines] of texts) {
    const fault = textFault(text, lines);
    if (fault === undefined) continue;
    throw new RouseError("INVALID_ARGUMENT", `The manifest's ${name} ${fault}. Mend the contract.`, {
      reason: "MANIFEST_INVALID",
    });
  }
}

function invalid(message: string): RouseError {
  return new RouseError("INVALID_ARGUMENT", message, { reason: "ABOUT_INVALID" });
}

function badSource(what: string): RouseError {
  return new RouseError(
    "INVALID_ARGUMENT",
    `${what}. Give the repository's public URL, the ref and the commit.`,
    {
      reason: "SOURCE_INVALID",
    },
  );
}
