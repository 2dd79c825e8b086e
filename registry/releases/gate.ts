import type { Finding } from "#proto/rouse/registry/v1/releases.ts";
import { Finding_Severity } from "#proto/rouse/registry/v1/releases.ts";
import { RouseError } from "../../sdk/errors.ts";
import { strictest } from "../approval.ts";
import type { RegistryContext } from "../context.ts";
import { getManifest } from "../get-manifest.ts";
import { RELEASE } from "../spec.ts";
import type { VersionManifest, WeightedVersion } from "../state.ts";
import { compareContracts } from "./compare-contracts.ts";
import { compareManifests } from "./compare-manifests.ts";
import type { Difference } from "./findings.ts";
import { joinUsage, USAGE_WINDOW_MS, type Usage, type UsageSource } from "./usage.ts";

/** What the gate and the reviews work with. */
export interface GateContext extends Pick<RegistryContext, "consul" | "log"> {
  /** Absent: nobody counts calls. */
  readonly usage?: UsageSource;
}

/** Tags whose moves are compared with what they named before. Others are their owners' own. */
const GATED: ReadonlySet<string> = new Set([RELEASE, "beta"]);

export function isGated(tag: string): boolean {
  return GATED.has(tag);
}

/** A version that a tag shall name. */
export interface Candidate {
  readonly manifest: VersionManifest;
  readonly descriptorSet: Uint8Array;
}

export interface Verdict {
  /** Versions that the tag names now, without the candidate. */
  readonly against: readonly string[];
  /** Breaking ones first, then by how often it is called. */
  readonly findings: readonly Finding[];
  readonly breaking: boolean;
  readonly needsReview: boolean;
}

/**
 * What moving a tag to the candidate would change for those who follow the tag.
 *
 * @param named - What the tag names now; versions of it that are not registered are left out.
 * @throws RouseError INTERNAL COMPARISON_FAILED, DEADLINE_EXCEEDED BUF_TIMEOUT.
 */
export async function judge(
  context: GateContext,
  candidate: Candidate,
  tag: string,
  named: readonly WeightedVersion[],
): Promise<Verdict> {
  const { service, version, approval } = candidate.manifest;
  const others = await Promise.all(
    named
      .filter((entry) => entry.version !== version)
      .map((entry) => readCandidate(context, service, entry.version)),
  );
  const known = others.filter((other) => other !== undefined);
  const differences: Difference[] = [];
  const seen = new Set<string>();
  for (const other of known) {
    for (const difference of await compare(candidate, other)) {
      const key = `${difference.rule} ${difference.message}`;
      if (!seen.has(key)) differences.push(difference);
      seen.add(key);
    }
  }
  const findings = joinUsage(service, differences, await usageOf(context, service, differences));
  const level = strictest([approval, ...known.map(({ manifest }) => manifest.approval)]);
  return {
    against: known.map(({ manifest }) => manifest.version),
    findings,
    breaking: findings.some(({ severity }) => severity === Finding_Severity.BREAKING),
    needsReview: tag === RELEASE && level !== undefined,
  };
}

async function compare(candidate: Candidate, other: Candidate): Promise<Difference[]> {
  const contract = ({ manifest, descriptorSet }: Candidate) => ({ version: manifest.version, descriptorSet });
  const { service } = candidate.manifest;
  const contracts = await compareContracts(service, contract(candidate), contract(other));
  return [...contracts, ...compareManifests(candidate.manifest, other.manifest)];
}

/** A registered version; undefined when there is none. */
export async function readCandidate(
  { consul }: Pick<RegistryContext, "consul">,
  service: string,
  version: string,
): Promise<Candidate | undefined> {
  try {
    const { manifest } = await getManifest(consul, service, version);
    const { descriptorSet, ...rest } = manifest;
    return { manifest: rest, descriptorSet: Buffer.from(descriptorSet, "base64") };
  } catch (thrown) {
    if (thrown instanceof RouseError && thrown.reason === "VERSION_UNKNOWN") return undefined;
    throw thrown;
  }
}

/** Who calls matters only where something differs. Without it the gate holds all the same. */
async function usageOf(
  { usage, log }: GateContext,
  service: string,
  differences: readonly Difference[],
): Promise<Usage | undefined> {
  if (usage === undefined || differences.every(({ methods }) => methods.length === 0)) return undefined;
  try {
    return await usage(service, Date.now() - USAGE_WINDOW_MS);
  } catch (err) {
    log.warn({ err, service }, "Nobody knows who calls the service: its gate says nothing of it");
    return undefined;
  }
}

/** So many findings are told one by one in an error; it travels in a header. */
const TOLD = 6;
const LONGEST = 240;

function shortened(message: string): string {
  return message.length > LONGEST ? `${message.slice(0, LONGEST - 1)}…` : message;
}

/**
 * FAILED_PRECONDITION: the move breaks callers.
 *
 * @param isNew - The version is about to be registered with the tag.
 */
export function promotionBreaks(
  { service, version }: VersionManifest,
  tag: string,
  { findings, against }: Verdict,
  isNew = false,
): RouseError {
  const breaking = findings.filter(({ severity }) => severity === Finding_Severity.BREAKING);
  const told = breaking.slice(0, TOLD).map(({ message }) => shortened(message));
  const first = isNew ? "register it without the tag, " : "";
  if (breaking.length > TOLD) told.push(`${breaking.length - TOLD} more`);
  return new RouseError(
    "FAILED_PRECONDITION",
    `${service} ${version} breaks callers of the tag ${tag}, which names ${against.join(" and ")}: ${told.join("; ")}. Keep that in the contract, or ${first}promote it all the same and say why: rouse promote ${service} ${version} --to ${tag} --override REASON`,
    {
      reason: "PROMOTION_BREAKS",
      metadata: { service, version, tag, against: against.join(","), findings: String(breaking.length) },
    },
  );
}
