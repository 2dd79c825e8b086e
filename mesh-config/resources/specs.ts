import semver, { type SemVer } from "semver";
import { anyPrerelease, pairUpTo, prereleaseUpTo, upTo } from "./spec-regex.ts";

/** What one version answers to, beside its exact number. */
export interface SpecPatterns {
  readonly version: string;
  /** Full-match regular expressions of lines, caret and tilde ranges; none overlaps with another version's. */
  readonly patterns: readonly string[];
}

/**
 * Which range specs resolve to which of the versions: lines (`1`, `1.4`), carets (`^1.2.0`, `^1.2`, `^1`) and tildes
 * (`~1.4.2`, `~1.4`, `~1`), each to the highest version in the range, as npm's semver does. Bases need not be
 * published versions: any up to the resolved one will do. A prerelease is found only by a base that is a prerelease
 * of the same three numbers.
 */
export function specPatterns(versions: readonly string[]): SpecPatterns[] {
  const patterns = new Map<string, string[]>();
  const add = (version: SemVer, ...texts: string[]) => {
    const list = patterns.get(version.version);
    if (list === undefined) patterns.set(version.version, texts);
    else list.push(...texts);
  };
  const sorted = versions.map((text) => new semver.SemVer(text)).sort(semver.compare);
  const stable = sorted.filter((version) => version.prerelease.length === 0);
  const majors = highest(stable, (version) => `${version.major}`);
  const minors = highest(stable, (version) => `${version.major}.${version.minor}`);
  for (const version of majors.values()) add(version, ...majorPatterns(version));
  for (const version of minors.values()) add(version, ...minorPatterns(version));
  for (const version of stable) {
    if (version.major === 0 && version.minor === 0)
      add(version, `\\^0\\.0\\.${version.patch}${anyPrerelease}`);
  }
  const early = sorted.filter((version) => version.prerelease.length > 0);
  for (const version of highest(early, numbers).values()) {
    const operators = prereleaseOperators(version, majors, minors, stable);
    if (operators === "") continue;
    const base = numbers(version).replaceAll(".", "\\.");
    add(version, `${operators}${base}-${prereleaseUpTo(version.prerelease.join("."))}`);
  }
  return [...patterns].map(([version, list]) => ({ version, patterns: list }));
}

/** The highest version without a prerelease; undefined when there is none. */
export function highestStable(versions: Iterable<string>): string | undefined {
  const stable = [...versions].filter((version) => semver.prerelease(version) === null);
  return stable.sort(semver.rcompare)[0];
}

function majorPatterns({ major, minor, patch }: SemVer): string[] {
  const line = `[~^]?${major}`;
  // ^0.x.y stays within 0.x.
  if (major === 0) return [line];
  const partial = minor === 0 ? "0" : upTo(minor);
  const full = `${pairUpTo(minor, patch, false)}${anyPrerelease}`;
  return [line, `\\^${major}\\.(?:${partial}|${full})`];
}

function minorPatterns({ major, minor, patch }: SemVer): string[] {
  const line = `${major}\\.${minor}`;
  const patches = `\\.${upTo(patch)}${anyPrerelease}`;
  const out = [`~?${line}`, `~${line}${patches}`];
  if (major === 0) out.push(`\\^${line}`);
  if (major === 0 && minor > 0) out.push(`\\^${line}${patches}`);
  return out;
}

/** Which of ^ and ~ find this prerelease: those in whose range no stable version is above it. */
function prereleaseOperators(
  version: SemVer,
  majors: ReadonlyMap<string, SemVer>,
  minors: ReadonlyMap<string, SemVer>,
  stable: readonly SemVer[],
): string {
  const { major, minor, patch } = version;
  const inMinor = minors.get(`${major}.${minor}`);
  const inCaret =
    major > 0
      ? majors.get(`${major}`)
      : minor > 0
        ? inMinor
        : stable.find((other) => other.major === 0 && other.minor === 0 && other.patch === patch);
  const below = (other: SemVer | undefined) => other === undefined || semver.lt(other, version);
  const operators = [below(inCaret) ? "\\^" : "", below(inMinor) ? "~" : ""].join("");
  return operators === "" ? "" : `[${operators}]`;
}

function numbers({ major, minor, patch }: SemVer): string {
  return `${major}.${minor}.${patch}`;
}

/** The last, hence highest, of an ascending list for each key. */
function highest(ascending: readonly SemVer[], key: (version: SemVer) => string): Map<string, SemVer> {
  return new Map(ascending.map((version) => [key(version), version]));
}
