import semver from "semver";
import type { ServiceState } from "../../registry/state.ts";
import type { Target } from "../../registry/target.ts";
import { RouseError } from "../../sdk/errors.ts";
import { ASKED } from "./answer.ts";

/*
 * What callers are told when the routes themselves answer. The texts are fixed when the routes are made; of what was asked for
 * they can only say the version.
 */

const SHOWN = 20;

/** @param names Services that this listener serves, sorted. */
export function unknownService(names: readonly string[], edge: boolean): RouseError {
  const there =
    names.length === 0 ? "There is none yet." : `There ${names.length === 1 ? "is" : "are"}: ${list(names)}.`;
  const where = edge ? " that is called from outside the mesh" : "";
  const remedy = edge
    ? 'Check the name; a new service is added with "rouse register", and its contract must say exposure: EXPOSURE_EXTERNAL.'
    : 'Check the name; a new service is added with "rouse register".';
  return new RouseError("NOT_FOUND", `No service of this name${where}. ${there} ${remedy}`, {
    reason: "SERVICE_UNKNOWN",
  });
}

/** The rouse-version header names nothing that there is. */
export function unknownVersion(service: string, state: ServiceState): RouseError {
  return new RouseError(
    "NOT_FOUND",
    `${service} has no version that fits "${ASKED}". ${inventory(state)} Ask for a version, a line such as 1 or 1.4, a range such as ^1.2.0 or ~1.4, or a tag.`,
    { reason: "VERSION_UNKNOWN", metadata: { service } },
  );
}

/** No rouse-version header, and nothing stands for it. */
export function noDefault(service: string, state: ServiceState): RouseError {
  return new RouseError(
    "NOT_FOUND",
    `${service} has neither a tag "release" nor a stable version, so a call must name a version in the header rouse-version. ${inventory(state)}`,
    { reason: "VERSION_UNKNOWN", metadata: { service } },
  );
}

/** A tag that points to versions which are not registered. */
export function emptyTag(service: string, tag: string, state: ServiceState): RouseError {
  return new RouseError(
    "NOT_FOUND",
    `The tag "${tag}" of ${service} points to no version that is registered. ${inventory(state)}`,
    { reason: "VERSION_UNKNOWN", metadata: { service, tag } },
  );
}

export function stopped(service: string, version: string, reason: string): RouseError {
  return new RouseError(
    "UNAVAILABLE",
    `${service} ${version} is stopped by an administrator: ${reason} ("rouse start ${service} ${version}" lets it run again)`,
    { reason: "VERSION_STOPPED", metadata: { service, version } },
  );
}

/** The version was removed while calls waited for it. */
export function unregistered({ service, version }: Pick<Target, "service" | "version">): RouseError {
  return new RouseError(
    "NOT_FOUND",
    `${service} ${version} was unregistered while the call waited for it. Ask for another version; "rouse services" lists those there are.`,
    { reason: "VERSION_UNKNOWN", metadata: { service } },
  );
}

/** The version went on to another generation while calls waited and their Envoy had no control plane. */
export function movedOn({ service, version }: Pick<Target, "service" | "version">): RouseError {
  return new RouseError(
    "UNAVAILABLE",
    `${service} ${version} was not started for this call, as control planes were away while it waited. Call again.`,
    { reason: "START_UNANSWERED", metadata: { service, version } },
  );
}

export function startFailed(service: string, version: string, message: string): string {
  return `${service} ${version} does not start: ${message}`;
}

function inventory(state: ServiceState): string {
  const versions = `Versions: ${state.versions.size === 0 ? "none" : list([...state.versions.keys()].sort(semver.compare))}.`;
  const tags = [...state.tags.keys()].sort();
  return tags.length === 0 ? versions : `${versions} Tags: ${list(tags)}.`;
}

function list(names: readonly string[]): string {
  const more = names.length - SHOWN;
  return names.slice(0, SHOWN).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
