import { resolve } from "node:path";
import { type CreateOrderRequest, OrdersClient, type TaskSpec } from "#proto/rouse/orders/v1/orders.ts";
import { RouseError } from "../../sdk/errors.ts";
import { unary } from "../../sdk/grpc.ts";
import { findMethod } from "../call/method.ts";
import { withFields } from "../call/requests.ts";
import { type Mesh, withClient } from "../connect.ts";
import { putFile } from "./put-file.ts";
import { waitFor } from "./wait.ts";
import { readWorkflowFile } from "./workflow-file.ts";

/** The packaged database is set up with the first order, ms. */
const FIRST_MS = 90_000;

export interface PlaceFlags {
  readonly workflow?: string;
  readonly field: readonly string[];
  readonly input: readonly string[];
  readonly metadata: readonly string[];
  readonly version?: string;
  readonly name?: string;
  readonly priority?: number;
  readonly retries?: number;
  readonly key?: string;
  readonly check?: true;
  readonly wait?: true;
}

/**
 * Places an order and prints its id, or with --wait what it has given.
 *
 * @throws RouseError what orders say of it; FLAG_INVALID, WORKFLOW_FILE_INVALID.
 */
export async function placeOrder(
  mesh: Mesh,
  method: string | undefined,
  json: string | undefined,
  flags: PlaceFlags,
): Promise<void> {
  const request = await requestOf(mesh, method, json, flags);
  await withClient(OrdersClient, mesh.orders, async (client) => {
    const order = await unary(client, "createOrder", request, { deadlineMs: FIRST_MS });
    if (flags.check === true) return console.log(`good: ${order.taskCount} tasks; nothing was ordered`);
    if (flags.wait === true) return console.log(await waitFor(client, order.id));
    console.log(order.id);
    console.error(`how it goes: rouse orders show ${order.id}`);
  });
}

async function requestOf(
  mesh: Mesh,
  method: string | undefined,
  json: string | undefined,
  flags: PlaceFlags,
): Promise<CreateOrderRequest> {
  const metadata = pairs("metadata", flags.metadata);
  const common = { idempotencyKey: flags.key ?? "", keepMs: 0, validateOnly: flags.check === true };
  if (flags.workflow !== undefined) {
    if (method !== undefined)
      throw flagInvalid("A workflow's file names its methods: leave SERVICE/METHOD out.");
    const file = readWorkflowFile(flags.workflow);
    const given = pairs("input", flags.input);
    const stray = Object.keys(given).find((name) => !file.tasks.some(({ inputs }) => name in inputs));
    if (stray !== undefined)
      throw flagInvalid(`--input "${stray}": no task of ${flags.workflow} has an input of this name.`);
    const tasks: TaskSpec[] = [];
    for (const task of file.tasks) tasks.push(await withFiles(mesh, task, file.folder, given));
    const priority = flags.priority ?? file.priority;
    return {
      ...common,
      name: flags.name ?? file.name,
      tasks,
      metadata: { ...file.metadata, ...metadata },
      ...(priority === undefined ? {} : { priority }),
    };
  }
  if (method === undefined) throw flagInvalid("Name a method, SERVICE/METHOD, or a file by --workflow.");
  const { descriptor, manifest, ...rest } = await findMethod(mesh.registry, method, flags.version ?? "");
  const texts = withFields({ descriptor, manifest, ...rest }, json === undefined ? [] : [json], flags.field);
  const task: TaskSpec = {
    name: "",
    service: manifest.service,
    version: flags.version ?? "",
    method: descriptor.name,
    parameters: texts[0] ?? "",
    inputs: pairs("input", flags.input),
    metadata: {},
    after: [],
    ...(flags.retries === undefined ? {} : { retries: flags.retries }),
  };
  return {
    ...common,
    name: flags.name ?? "",
    tasks: [await withFiles(mesh, task, ".")],
    metadata,
    ...(flags.priority === undefined ? {} : { priority: flags.priority }),
  };
}

/** Inputs that are files are put into the artifacts first; `given` ones, by name, stand above those that are written. */
async function withFiles(
  mesh: Mesh,
  task: TaskSpec,
  folder: string,
  given: Readonly<Record<string, string>> = {},
): Promise<TaskSpec> {
  const inputs: Record<string, string> = {};
  for (const [name, text] of Object.entries(task.inputs)) {
    const own = given[name];
    const value = own ?? text;
    const isUri = value.startsWith("artifact:") || value.startsWith("tasks.");
    inputs[name] = isUri ? value : await putFile(mesh, resolve(own === undefined ? folder : ".", value));
  }
  return { ...task, inputs };
}

function pairs(flag: string, texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const equals = text.indexOf("=");
      if (equals < 1) throw flagInvalid(`--${flag} "${text}": write NAME=VALUE.`);
      return [text.slice(0, equals), text.slice(equals + 1)];
    }),
  );
}

function flagInvalid(message: string): RouseError {
  return new RouseError("INVALID_ARGUMENT", message, { reason: "FLAG_INVALID" });
}
