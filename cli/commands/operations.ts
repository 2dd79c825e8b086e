import type { Command } from "commander";
import { type Operation, OperationState, OperationsClient } from "#proto/rouse/orders/v1/operations.ts";
import { callError, unary } from "../../sdk/grpc.ts";
import { readMesh, withClient } from "../connect.ts";
import { parseCount } from "../flags.ts";
import { operationLines, progressLine, resultJson } from "../operations/lines.ts";

/** `rouse operations`: what was called async, and its results. */
export function addOperations(program: Command): void {
  const command = program
    .command("operations")
    .description("list async calls, newest first; wait for one, print its result, cancel it")
    .argument("[service]", "only of this one")
    .option("--limit <count>", "at most so many", parseCount, 20)
    .option("--running", "only those that run")
    .option("--json", "print JSON")
    .action(async (service: string | undefined, flags: { limit: number; running?: true; json?: true }) => {
      const state = flags.running === true ? OperationState.RUNNING : OperationState.UNSPECIFIED;
      const request = { service: service ?? "", state, limit: flags.limit };
      const { operations } = await withClient(OperationsClient, readMesh().orders, (client) =>
        unary(client, "listOperations", request, { deadlineMs: DATABASE_MS }),
      );
      if (flags.json === true) console.log(JSON.stringify(operations, null, 2));
      else if (operations.length === 0) console.log('There are none; "rouse call --async" starts one.');
      else console.log(operationLines(operations, Date.now()));
    });
  command
    .command("wait <id>")
    .description("wait for the end of an operation, and print its result")
    .action(async (id: string) => {
      const mesh = readMesh();
      const operation = await withClient(OperationsClient, mesh.orders, (client) => ended(client, id));
      console.log(await resultJson(mesh.registry, operation));
    });
  command
    .command("cancel <id>")
    .description("end an operation; who waits for it is told the reason")
    .option("--reason <text>", "why", "")
    .action(async (id: string, { reason }: { reason: string }) => {
      const operation = await withClient(OperationsClient, readMesh().orders, (client) =>
        unary(client, "cancelOperation", { id, reason }),
      );
      console.log(progressLine(operation));
    });
}

/** The packaged database may have to be started first, ms. */
const DATABASE_MS = 90_000;

/** The operation at its end; progress is told on stderr. */
async function ended(client: OperationsClient, id: string): Promise<Operation> {
  let last: Operation | undefined;
  let told = "";
  try {
    for await (const operation of client.watchOperation({ id }) as AsyncIterable<Operation>) {
      last = operation;
      const line = progressLine(operation);
      if (operation.endedAtMs === 0 && line !== told) console.error(line);
      told = line;
    }
  } catch (error) {
    throw callError(error);
  }
  return last ?? unary(client, "getOperation", { id });
}
