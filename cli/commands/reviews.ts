import type { Command } from "commander";
import { ReleasesClient } from "#proto/rouse/registry/v1/releases.ts";
import { unary } from "../../sdk/grpc.ts";
import { readMesh, withClient } from "../connect.ts";
import { REGISTRY_FLAG, reviewLines } from "../releases/print.ts";

interface Flags {
  open?: true;
  json?: true;
  registry?: string;
}

/** `rouse reviews`: what was asked for and how it was decided. */
export function addReviews(program: Command): void {
  program
    .command("reviews")
    .description("list reviews, newest first: who asked, what would change, who decided and why")
    .argument("[service]", "only those of this one")
    .option("--open", "only those that nobody has decided")
    .option("--json", "print JSON")
    .option(...REGISTRY_FLAG)
    .action(async (service: string | undefined, flags: Flags) => {
      const request = { service: service ?? "", openOnly: flags.open === true };
      const { reviews } = await withClient(ReleasesClient, flags.registry ?? readMesh().registry, (client) =>
        unary(client, "listReviews", request),
      );
      if (flags.json === true) return console.log(JSON.stringify(reviews, null, 2));
      if (reviews.length === 0) console.log(flags.open === true ? "no review is open" : "no review yet");
      for (const review of reviews) for (const line of reviewLines(review)) console.log(line);
    });
}
