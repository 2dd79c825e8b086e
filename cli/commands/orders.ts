import { type Command, Option } from "commander";
import { type OrderLogLine, OrderState, OrdersClient } from "#proto/rouse/orders/v1/orders.ts";
import { callError, unary } from "../../sdk/grpc.ts";
import { readMesh, withClient } from "../connect.ts";
import { parseCount } from "../flags.ts";
import { orderLines, orderStateWord, showLines } from "../orders/lines.ts";
import { addServe } from "../orders/serve.ts";
import { waitFor } from "../orders/wait.ts";

/** The packaged database may have to be started first, ms. */
const DATABASE_MS = 90_000;
const STATES = [
  OrderState.QUEUED,
  OrderState.RUNNING,
  OrderState.SUCCEEDED,
  OrderState.FAILED,
  OrderState.CANCELLED,
];

interface ListFlags {
  limit: number;
  state?: string;
  json?: true;
}

/** `rouse orders`: what was ordered, and what becomes of it. */
export function addOrders(program: Command): void {
  const command = program
    .command("orders")
    .description("list orders, newest first; show one, its logs, wait for it, cancel it, retry it")
    .argument("[service]", "only with a task of this one")
    .option("--limit <count>", "at most so many", parseCount, 20)
    .addOption(new Option("--state <state>", "only in this state").choices(STATES.map(orderStateWord)))
    .option("--json", "print JSON")
    .action(async (service: string | undefined, { limit, state: word, json }: ListFlags) => {
      const state = STATES.find((one) => orderStateWord(one) === word) ?? OrderState.UNSPECIFIED;
      const { orders } = await ask((client) =>
        unary(client, "listOrders", { service: service ?? "", state, limit }, { deadlineMs: DATABASE_MS }),
      );
      if (json === true) console.log(JSON.stringify(orders, null, 2));
      else if (orders.length === 0) console.log('There are none; "rouse order" places one.');
      else console.log(orderLines(orders, Date.now()));
    });
  addShow(command);
  addLogs(command);
  command
    .command("wait <id>")
    .description("wait for the end of an order, and print what it has given")
    .action(async (id: string) => console.log(await ask((client) => waitFor(client, id))));
  command
    .command("cancel <id>")
    .description("end an order and what runs of it; who waits for it is told the reason")
    .option("--reason <text>", "why", "")
    .action(async (id: string, { reason }: { reason: string }) => {
      const order = await ask((client) => unary(client, "cancelOrder", { id, reason }));
      console.log(`${id} ${orderStateWord(order.state)}`);
    });
  command
    .command("retry <id>")
    .description("take up an order that failed or was cancelled where it stopped")
    .action(async (id: string) => {
      const order = await ask((client) => unary(client, "retryOrder", { id }));
      console.log(
        `${id} ${orderStateWord(order.state)}, ${order.tasksSucceeded} of ${order.taskCount} tasks are done`,
      );
    });
  addServe(command);
}

function addShow(command: Command): void {
  command
    .command("show <id>")
    .description("show an order: its tasks, what they wait for, used and cost, outputs, errors")
    .option("--json", "print JSON")
    .action(async (id: string, { json }: { json?: true }) => {
      const order = await ask((client) => unary(client, "getOrder", { id }));
      console.log(json === true ? JSON.stringify(order, null, 2) : showLines(order, Date.now()));
    });
}

function addLogs(command: Command): void {
  command
    .command("logs <id> [task]")
    .description("print the output of an order's tasks, attempt by attempt")
    .option("-f, --follow", "go on until the order has ended")
    .action(async (id: string, task: string | undefined, { follow }: { follow?: true }) => {
      await ask(async (client) => {
        const stream = client.orderLogs({ id, task: task ?? "", follow: follow === true });
        try {
          for await (const line of stream as AsyncIterable<OrderLogLine>) console.log(logLine(line));
        } catch (error) {
          throw callError(error);
        }
      });
    });
}

function logLine({ task, attempt, stream, line }: OrderLogLine): string {
  return `${task}#${attempt} ${stream === "order" ? "--- " : ""}${line}`;
}

function ask<T>(work: (client: OrdersClient) => Promise<T>): Promise<T> {
  return withClient(OrdersClient, readMesh().orders, work);
}
