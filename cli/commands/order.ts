import { type Command, InvalidArgumentError } from "commander";
import { readMesh } from "../connect.ts";
import { collect } from "../flags.ts";
import type { PlaceFlags } from "../orders/place.ts";

/** `rouse order`: has a job, a call or a workflow done. */
export function addOrder(program: Command): void {
  program
    .command("order")
    .description(
      "order a job, a call, or a workflow of several; everything is checked before anything starts",
    )
    .argument("[method]", "SERVICE/METHOD")
    .argument("[json]", "its parameters: the request as JSON (default: {})")
    .option("--workflow <file>", "a workflow's file (JSON) instead of one method")
    .option(
      "-f, --field <name=value>",
      "a field of the parameters, over the JSON if there is any; repeatable",
      collect,
      [],
    )
    .option(
      "--input <name=artifact|file>",
      "an input of a job: an artifact's URI, or a file to be put; repeatable",
      collect,
      [],
    )
    .option("--metadata <name=value>", "metadata for all tasks; repeatable", collect, [])
    .option("--version <spec>", "version of the service: exact, line (1.4), range (^1.4.0) or tag")
    .option("--name <text>", "a name for people")
    .option("--priority <0-9>", "higher ones go first (default: 5)", parseNumber)
    .option(
      "--retries <count>",
      "how often it is tried again when it fails (default: as the contract says)",
      parseNumber,
    )
    .option("--key <text>", "idempotency key: the same key gives the same order")
    .option("--check", "only check it")
    .option("--wait", "wait for its end, and print what it has given as JSON")
    .action(async (method: string | undefined, json: string | undefined, flags: PlaceFlags) => {
      const { placeOrder } = await import("../orders/place.ts");
      await placeOrder(readMesh(), method, json, flags);
    });
}

function parseNumber(text: string): number {
  if (/^\d{1,3}$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`"${text}" is no number from 0.`);
}
