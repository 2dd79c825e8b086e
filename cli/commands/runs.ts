import { type Command, InvalidArgumentError, Option } from "commander";
import { RunState, RunsClient } from "#proto/rouse/orders/v1/runs.ts";
import { RouseError } from "../../sdk/errors.ts";
import { unary } from "../../sdk/grpc.ts";
import { harmless } from "../catalog/text.ts";
import { readMesh, withClient } from "../connect.ts";
import { parseCount } from "../flags.ts";
import { keptLines, RUN_STATES, runLines } from "../runs/lines.ts";
import { runStateWord, timeline } from "../runs/timeline.ts";

/** The packaged database may have to be started first, ms. */
const DATABASE_MS = 90_000;

interface ListFlags {
  readonly version?: string;
  readonly state?: string;
  readonly key?: string;
  readonly limit: number;
  readonly json?: true;
}

/** `rouse runs`: durable runs and their journals. */
export function addRuns(program: Command): void {
  const command = program
    .command("runs")
    .description("list durable runs, newest first; show a run's journal, cancel it, retry it, answer it")
    .argument("[service]", "only of this one")
    .option("--version <version>", "only of this one")
    .addOption(new Option("--state <state>", "only in this one").choices(Object.keys(RUN_STATES)))
    .option("--key <key>", "only of this one")
    .option("--limit <count>", "at most so many", parseCount, 20)
    .option("--json", "print JSON")
    .action(async (service: string | undefined, flags: ListFlags) => {
      const { version = "", key = "", limit } = flags;
      const state = RUN_STATES[flags.state ?? ""] ?? RunState.UNSPECIFIED;
      const request = { service: service ?? "", version, key, state, limit };
      const { runs } = await ask((client) => unary(client, "listRuns", request, { deadlineMs: DATABASE_MS }));
      if (flags.json === true) console.log(JSON.stringify(runs, null, 2));
      else if (runs.length === 0) console.log("There are none; a call of a durable method starts one.");
      else console.log(runLines(runs, Date.now()).map(harmless).join("\n"));
    });
  command
    .command("show <id>")
    .description("draw a run's journal as a timeline")
    .option("--json", "print JSON")
    .action(async (id: string, { json }: { json?: true }) => {
      const run = await ask((client) => unary(client, "getRun", { id }));
      console.log(json === true ? JSON.stringify(run, null, 2) : timeline(run, Date.now()).join("\n"));
    });
  command
    .command("cancel <id>")
    .description("end a run and what it has started; who waits for it is told the reason")
    .option("--reason <text>", "why", "")
    .action(async (id: string, { reason }: { reason: string }) => {
      const run = await ask((client) => unary(client, "cancelRun", { id, reason }));
      console.log(`${id} ${runStateWord(run.state)}`);
    });
  command
    .command("retry <id>")
    .description("run an ended run again from a step on; what it did before stays")
    .option("--from <step>", "number of the first step that is done anew", parseStep, 0)
    .option("--version <version>", "go on with this version, which has the fix")
    .action(async (id: string, { from, version = "" }: { from: number; version?: string }) => {
      const run = await ask((client) => unary(client, "retryRun", { id, from, version }));
      console.log(`${id} ${runStateWord(run.state)} with ${run.operation?.version}`);
    });
  command
    .command("answer <id> <name> <json>")
    .description("give a run what it waits for under that name")
    .action(async (id: string, name: string, json: string) => {
      const value = Buffer.from(JSON.stringify(parseJson(json)));
      await ask((client) => unary(client, "answerRun", { id, name, value }));
    });
  command
    .command("kept <service>")
    .description("list what runs with a key have kept for those after them")
    .option("--key <key>", "only of this one", "")
    .option("--limit <count>", "at most so many", parseCount, 50)
    .option("--json", "print JSON")
    .action(async (service: string, flags: { key: string; limit: number; json?: true }) => {
      const { key, limit } = flags;
      const { kept } = await ask((client) => unary(client, "listKept", { service, key, limit }));
      if (flags.json === true) console.log(JSON.stringify(kept, null, 2));
      else if (kept.length === 0) console.log("Nothing is kept.");
      else console.log(keptLines(kept, Date.now()).map(harmless).join("\n"));
    });
  command
    .command("forget <service> <key>")
    .description("forget what runs with a key have kept")
    .option("--name <name>", "only this", "")
    .action(async (service: string, key: string, { name }: { name: string }) => {
      const { forgotten } = await ask((client) => unary(client, "forgetKept", { service, key, name }));
      console.log(`${forgotten} forgotten`);
    });
}

function ask<T>(work: (client: RunsClient) => Promise<T>): Promise<T> {
  return withClient(RunsClient, readMesh().orders, work);
}

function parseStep(text: string): number {
  const step = Number(text);
  if (!/^\d+$/.test(text) || step > 2 ** 31)
    throw new InvalidArgumentError("Give the number of a step: 0, 1, …");
  return step;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new RouseError(
      "INVALID_ARGUMENT",
      `The answer is no JSON (${(cause as Error).message}). Give a value such as '"yes"' or '{"approved": true}'.`,
      { reason: "RUN_ANSWER_INVALID", cause },
    );
  }
}
