import { RouseError } from "../sdk/errors.ts";
import type { ApprovalRecord, CatalogEntry } from "./records.ts";
import type { ServiceState, VersionManifest, VersionState } from "./state.ts";

/** What a person must approve first; each level includes those before it. */
export type ApprovalLevel = NonNullable<VersionManifest["approval"]>;

const LEVELS: readonly ApprovalLevel[] = ["release", "listing", "running"];

/** The highest of the levels; undefined when nothing needs approval. */
export function strictest(levels: Iterable<ApprovalLevel | undefined>): ApprovalLevel | undefined {
  let highest = -1;
  for (const level of levels) if (level !== undefined) highest = Math.max(highest, LEVELS.indexOf(level));
  return LEVELS[highest];
}

/**
 * What the mesh's state shows of a version's approval.
 *
 * @param needed - What the version must be approved for.
 * @param record - What Consul holds; without it nobody has decided yet.
 */
export function approvalShown(
  needed: CatalogEntry["approval"],
  record: ApprovalRecord | undefined,
): Pick<VersionState, "approval" | "barred"> {
  const state = record?.state ?? "pending";
  if (needed === undefined || state === "approved") return {};
  return { approval: state, ...(needed === "running" && { barred: true }) };
}

/** Versions of a service that may not run. */
export function barredVersions({ versions }: ServiceState): string[] {
  return [...versions].flatMap(([version, { barred }]) => (barred === true ? [version] : []));
}

/** Why a version that is barred does not answer, as callers are told it. */
export function barredError(
  service: string,
  version: string,
  approval: VersionState["approval"],
): RouseError {
  const metadata = { service, version };
  if (approval === "denied") {
    return new RouseError(
      "PERMISSION_DENIED",
      `${service} ${version} was denied approval to run. Call another version; "rouse reviews" says who denied it and why.`,
      { reason: "APPROVAL_DENIED", metadata },
    );
  }
  return new RouseError(
    "FAILED_PRECONDITION",
    `${service} ${version} awaits approval and does not run until then. Call another version; "rouse reviews" shows what is open.`,
    { reason: "APPROVAL_PENDING", metadata },
  );
}
