import type { Command } from "commander";
import { ReleasesClient } from "#proto/rouse/registry/v1/releases.ts";
import { unary } from "../../sdk/grpc.ts";
import { readMesh, withClient } from "../connect.ts";
import { REGISTRY_FLAG } from "../releases/print.ts";

interface Flags {
  registry?: string;
}

/** `rouse reviewers`: who decides reviews, beside the administrator. */
export function addReviewers(program: Command): void {
  const reviewers = program
    .command("reviewers")
    .description("say who decides reviews, beside the administrator");
  const verb = (name: "add" | "remove", description: string) =>
    reviewers
      .command(name)
      .description(description)
      .argument("<provider>", "id of a provider")
      .option(...REGISTRY_FLAG)
      .action(async (provider: string, flags: Flags) => {
        const request = { provider, reviews: name === "add" };
        const answer = await withClient(ReleasesClient, registryOf(flags), (client) =>
          unary(client, "setReviewer", request),
        );
        print(answer.reviewers);
      });
  verb("add", "make a provider a reviewer; administrator only");
  verb("remove", "let a provider decide no more; administrator only");
  reviewers
    .command("list")
    .description("list the reviewers")
    .option(...REGISTRY_FLAG)
    .action(async (flags: Flags) => {
      const answer = await withClient(ReleasesClient, registryOf(flags), (client) =>
        unary(client, "listReviewers", {}),
      );
      print(answer.reviewers);
    });
}

const registryOf = (flags: Flags) => flags.registry ?? readMesh().registry;

function print(reviewers: readonly string[]): void {
  console.log(`reviews are decided by ${["the administrator", ...reviewers].join(", ")}`);
}
