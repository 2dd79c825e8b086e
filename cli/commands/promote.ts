import type { Command } from "commander";
import { ReleasesClient } from "#proto/rouse/registry/v1/releases.ts";
import { unary } from "../../sdk/grpc.ts";
import { readMesh, withClient } from "../connect.ts";
import { findingLines, REGISTRY_FLAG } from "../releases/print.ts";

interface Flags {
  to?: string;
  message: string;
  override: string;
  check?: true;
  registry?: string;
}

/** The gate runs a comparison, and other comparisons may be before it. */
const DEADLINE_MS = 60_000;

/** `rouse promote`: moves a tag to a version, through the gate. */
export function addPromote(program: Command): void {
  program
    .command("promote")
    .description("move a tag to a version when that breaks no callers, or ask reviewers for it")
    .argument("<service>", "full name, such as genome.v1.GenomeService")
    .argument("<version>", "exact version, such as 2.0.0")
    .option(
      "--to <tag>",
      'such as "release"; without it: ask anew for the approval that the version was denied',
    )
    .option("--message <text>", "what reviewers and the history shall know", "")
    .option("--override <reason>", "promote it although it breaks callers; the reason is kept", "")
    .option("--check", "only say what it would change for callers; exit code 1 when it breaks them")
    .option(...REGISTRY_FLAG)
    .action(async (service: string, version: string, flags: Flags) => {
      const registry = flags.registry ?? readMesh().registry;
      const tag = flags.to ?? (flags.check === true ? "release" : "");
      await withClient(ReleasesClient, registry, (client) =>
        flags.check === true
          ? check(client, { service, version, tag })
          : promote(client, { service, version, tag, ...flags }),
      );
    });
}

interface Move {
  readonly service: string;
  readonly version: string;
  readonly tag: string;
}

async function check(client: ReleasesClient, move: Move): Promise<void> {
  const { service, version, tag } = move;
  const answer = await unary(client, "checkPromotion", move, { deadlineMs: DEADLINE_MS });
  const { against, findings, breaking, needsReview } = answer;
  const names = against === "" ? "names no other version" : `names ${against}`;
  const verdict = breaking
    ? "breaks callers"
    : findings.length === 0
      ? "changes nothing for them"
      : "breaks nobody";
  console.log(
    `${tag} of ${service} ${names}; moving it to ${version} ${verdict}${findings.length > 0 ? ":" : ""}`,
  );
  for (const line of findingLines(findings)) console.log(line);
  if (needsReview) console.log("a reviewer must approve it");
  if (breaking) process.exitCode = 1;
}

async function promote(
  client: ReleasesClient,
  { service, version, tag, message, override }: Move & Pick<Flags, "message" | "override">,
): Promise<void> {
  const request = { service, version, tag, message, overrideReason: override };
  const { done, review } = await unary(client, "promote", request, { deadlineMs: DEADLINE_MS });
  if (done) {
    const from = review?.against ? `; before it named ${review.against}` : "";
    console.log(`${tag} of ${service} names ${version}${from}`);
    for (const line of findingLines(review?.findings ?? [])) console.log(line);
    if (from !== "")
      console.log(
        `put it back: rouse rollback ${service}${tag === "release" ? "" : ` --tag ${tag}`} --reason TEXT`,
      );
    return;
  }
  for (const line of findingLines(review?.findings ?? [])) console.log(line);
  const what = tag === "" ? `approval of ${service} ${version}` : `the review of ${tag} to ${version}`;
  console.log(
    `${what} is asked for; a reviewer decides: rouse approve ${review?.id} --message TEXT, or rouse deny`,
  );
}
