import {
  type Finding,
  Finding_Severity,
  type Review,
  Review_State,
} from "#proto/rouse/registry/v1/releases.ts";

/** The flag of every command of the release flow. */
export const REGISTRY_FLAG = [
  "--registry <host:port>",
  "the registry, when it is not that of the mesh on this host",
] as const;

/** One line for each finding, the gravest first. */
export function findingLines(findings: readonly Finding[]): string[] {
  return findings.map(({ severity, rule, message }) => {
    const word = severity === Finding_Severity.BREAKING ? "breaking" : "note    ";
    return `  ${word}  ${message}  (${rule})`;
  });
}

const STATES: Readonly<Record<Review_State, string>> = {
  [Review_State.UNSPECIFIED]: "unknown",
  [Review_State.OPEN]: "open",
  [Review_State.APPROVED]: "approved",
  [Review_State.DENIED]: "denied",
};

/** What a review is about: "release of genome.v1.GenomeService to 2.0.0". */
export function subject({ service, version, tag }: Review): string {
  return tag === "" ? `approval of ${service} ${version}` : `${tag} of ${service} to ${version}`;
}

/** A review in full: who asked and decided, when, with what message, and what the gate found. */
export function reviewLines(review: Review): string[] {
  const { id, state, against, askedBy, askedAtMs, message, overrideReason, findings } = review;
  const from = against === "" ? "" : ` from ${against}`;
  const lines = [
    `${id}  ${STATES[state].padEnd(8)}  ${subject(review)}${from}`,
    `  asked by ${askedBy} at ${time(askedAtMs)}${message === "" ? "" : `: ${message}`}`,
  ];
  if (overrideReason !== "") lines.push(`  although it breaks callers: ${overrideReason}`);
  if (state === Review_State.APPROVED || state === Review_State.DENIED) {
    const { decidedBy, decidedAtMs, decisionMessage } = review;
    lines.push(`  ${STATES[state]} by ${decidedBy} at ${time(decidedAtMs)}: ${decisionMessage}`);
  }
  return [...lines, ...findingLines(findings)];
}

/** A time as people compare it with others: "2026-07-01 12:30:05Z". */
export function time(ms: number): string {
  return new Date(ms)
    .toISOString()
    .replace("T", " ")
    .replace(/\.\d+Z$/, "Z");
}
