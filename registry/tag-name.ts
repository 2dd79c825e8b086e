import semver from "semver";
import { RouseError } from "../sdk/errors.ts";

/**
 * The name itself when it can be a tag: lower-case letters, digits and hyphens, beginning with a letter, and not to be taken
 * for a version or range (as "v1" or "x" would be).
 *
 * @throws RouseError INVALID_ARGUMENT TAG_INVALID.
 */
export function checkTagName(name: string): string {
  if (/^[a-z][a-z0-9-]{0,62}$/.test(name) && semver.validRange(name) === null) return name;
  const why = /^[a-z][a-z0-9-]{0,62}$/.test(name)
    ? "it reads as a version"
    : "it must be 1 to 63 lower-case letters, digits and hyphens, beginning with a letter";
  throw new RouseError("INVALID_ARGUMENT", `"${name}" cannot be a tag: ${why}. Choose one such as "beta".`, {
    reason: "TAG_INVALID",
  });
}
