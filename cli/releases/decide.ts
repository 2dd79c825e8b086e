import type { Command } from "commander";
import { ReleasesClient } from "#proto/rouse/registry/v1/releases.ts";
import { unary } from "../../sdk/grpc.ts";
import { readMesh, withClient } from "../connect.ts";
import { REGISTRY_FLAG, subject } from "./print.ts";

/** Adds the verb that approves, or denies, a review. */
export function addDecision(program: Command, verb: "approve" | "deny", description: string): void {
  program
    .command(verb)
    .description(description)
    .argument("<id>", 'of the review; "rouse reviews --open" lists them')
    .requiredOption("--message <text>", "why; it is kept")
    .option(...REGISTRY_FLAG)
    .action(async (id: string, { message, registry }: { message: string; registry?: string }) => {
      const { review } = await withClient(ReleasesClient, registry ?? readMesh().registry, (client) =>
        unary(client, "decideReview", { id, approve: verb === "approve", message }),
      );
      if (review === undefined) return;
      const word = verb === "approve" ? "approved" : "denied";
      console.log(`${word}: ${subject(review)}, which ${review.askedBy} asked for`);
    });
}
