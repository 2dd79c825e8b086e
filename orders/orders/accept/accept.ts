import { createHash, randomUUID } from "node:crypto";
import type { CreateOrderRequest } from "#proto/rouse/orders/v1/orders.ts";
import { DEFAULT_JOB } from "../../../registry/jobs.ts";
import { RouseError } from "../../../sdk/errors.ts";
import { checkKeepMs } from "../../keep.ts";
import type { Asker } from "../../operations/start.ts";
import type { NewOrder, NewTask } from "../store/new-order.ts";
import { LONGEST, orderInvalid, PRIORITY } from "./limits.ts";
import { type Catalog, checkTask, type SettledTask, settleTask } from "./task.ts";
import { readWorkflow } from "./workflow.ts";

/** What acceptance must know beside the catalog. */
export interface Surroundings extends Catalog {
  /** Who answers for a service: its hosts' share is counted for them. */
  providerOf(service: string): Promise<string>;
}

/** A checked order, and the artifacts that it names. */
export interface Accepted {
  readonly order: NewOrder;
  /** URI, and where it stands, for messages: 'input "reads" of task "align"'. */
  readonly artifacts: ReadonlyMap<string, string>;
}

/**
 * Checks a whole order before anything of it starts, and settles the versions of its tasks.
 *
 * @throws RouseError as the functions that it calls; all name the task, and what of it is wrong.
 */
export async function accept(
  request: CreateOrderRequest,
  asker: Asker,
  around: Surroundings,
): Promise<Accepted> {
  const { name, idempotencyKey, priority = PRIORITY.default, metadata } = request;
  if (name.length > LONGEST.name) throw orderInvalid(`its name has more than ${LONGEST.name} characters`);
  if (/\p{Cc}/u.test(name)) throw orderInvalid("its name has control characters");
  if (idempotencyKey.length > LONGEST.key)
    throw orderInvalid(`its idempotency key has more than ${LONGEST.key} characters`);
  if (idempotencyKey.includes("\0")) throw orderInvalid("its idempotency key has a NUL character");
  if (priority > PRIORITY.most) throw orderInvalid(`its priority is ${priority}; give 0 to ${PRIORITY.most}`);
  const keepMs = checkKeepMs(request.keepMs, orderInvalid);
  const settled: SettledTask[] = [];
  for (const task of readWorkflow(request.tasks))
    settled.push(await settleTask(task, metadata, around, asker.outside));
  const byName = new Map(settled.map((task) => [task.name, task]));
  const artifacts = new Map<string, string>();
  const tasks: NewTask[] = [];
  for (const task of settled) {
    for (const [input, uri] of checkTask(task, byName))
      artifacts.set(uri, `input "${input}" of task "${task.name}"`);
    tasks.push(newTask(task, await around.providerOf(task.spec.service)));
  }
  const order: NewOrder = {
    id: randomUUID(),
    name,
    priority,
    metadata,
    caller: asker.caller,
    asker: asker.provider,
    idempotencyKey,
    digest: digestOf(request),
    keepMs,
    tasks,
  };
  return { order, artifacts };
}

function newTask(task: SettledTask, provider: string): NewTask {
  const { name, spec, needs, kind, settled, metadata, retries, deadlineMs } = task;
  const { manifest } = settled.state;
  const { diskBytes } = settled.method.job ?? DEFAULT_JOB;
  const { cpu, memory, gpu, labels } = manifest.resources;
  return {
    name,
    service: spec.service,
    version: settled.version,
    method: spec.method,
    kind,
    provider,
    needs,
    parameters: spec.parameters === "" ? "{}" : spec.parameters,
    inputs: spec.inputs,
    metadata,
    retries,
    deadlineMs,
    // Scratch space is held in memory.
    room: kind === "job" ? { cpu, memory: memory + diskBytes, gpu, labels } : null,
  };
}

/** What a key stands for. */
function digestOf({ tasks, priority, metadata, name }: CreateOrderRequest): Buffer {
  const sorted = (map: Readonly<Record<string, string>>) =>
    Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1));
  const said = [
    name,
    priority ?? PRIORITY.default,
    sorted(metadata),
    tasks.map((task) => ({ ...task, inputs: sorted(task.inputs), metadata: sorted(task.metadata) })),
  ];
  return createHash("sha256").update(JSON.stringify(said)).digest();
}

/** The key was used before, and stood for something else. */
export function orderKeyReused(key: string, id: string): RouseError {
  return new RouseError(
    "ALREADY_EXISTS",
    `The idempotency key ${JSON.stringify(key)} belongs to order ${id}, which asked for something else. Choose another key, or send the same order.`,
    { reason: "IDEMPOTENCY_KEY_REUSED", metadata: { order: id } },
  );
}
