import type { Metadata } from "@grpc/grpc-js";
import type { CreateOrderRequest, Order, OrdersServer } from "#proto/rouse/orders/v1/orders.ts";
import { answer, statusObject } from "../../sdk/answer.ts";
import { RouseError } from "../../sdk/errors.ts";
import type { ArtifactStore } from "../artifacts/artifact-store.ts";
import type { Changes } from "../database/changes.ts";
import { follow, streamAnswers, waitForEnd } from "../follow.ts";
import { isId } from "../id.ts";
import { errorJson } from "../operations/record.ts";
import { askerOf } from "../operations/service.ts";
import type { VersionPins } from "../pins/pins.ts";
import type { Rights } from "../rights.ts";
import { accept, orderKeyReused, type Surroundings } from "./accept/accept.ts";
import { type JobLogs, orderLogs } from "./order-logs.ts";
import { isOver, orderToApi, stateNameOf } from "./store/record.ts";
import { type OrderStore, type OrderWithTasks, unknownOrder } from "./store/store.ts";
import { ORDERS_CHANNEL } from "./store/tables.ts";

export interface OrdersServiceDeps {
  surroundings(): Promise<Surroundings>;
  opened(): Promise<{
    readonly store: OrderStore;
    readonly changes: Changes;
    readonly artifacts: ArtifactStore;
  }>;
  readonly jobLogs: JobLogs;
  readonly rights: Rights;
  /** Keeps versions in the catalog. */
  readonly pins: Pick<VersionPins, "during">;
}

const LIMIT = { default: 50, most: 500 } as const;
const LONGEST_REASON = 500;

/** The service rouse.orders.v1.Orders. */
export function ordersService(deps: OrdersServiceDeps): OrdersServer {
  const { opened, jobLogs, pins, rights } = deps;
  const known = async (id: string): Promise<OrderWithTasks> => {
    const { store } = await opened();
    const found = isId(id) ? await store.get(id) : undefined;
    if (found === undefined) throw unknownOrder(id);
    return found;
  };
  const own = async (id: string, metadata: Metadata): Promise<OrderWithTasks> => {
    const found = await known(id);
    const { asker, caller } = found.order;
    const services = found.tasks.map(({ service }) => service);
    await rights.check(metadata, { asker, caller, services }, `Order ${id}`);
    return found;
  };
  const api = async ({ order, tasks }: OrderWithTasks): Promise<Order> => {
    const { store } = await opened();
    return orderToApi(order, tasks, order.state === "queued" ? await store.queuedBefore(order) : 0);
  };
  const followed = async function* (id: string, signal: AbortSignal) {
    const { changes } = await opened();
    const read = () => known(id);
    const revisionOf = ({ order }: OrderWithTasks) => order.revision;
    const over = ({ order }: OrderWithTasks) => isOver(order);
    yield* follow({ changes, channel: ORDERS_CHANNEL, id, read, revisionOf, isOver: over }, signal);
  };
  return {
    createOrder: answer((request, metadata) => create(deps, request, metadata, own, api)),
    getOrder: answer(async ({ id }, metadata) => api(await own(id, metadata))),
    waitOrder: (call, callback) => {
      const { id, timeoutMs } = call.request;
      own(id, call.metadata)
        .then(() => waitForEnd(call, timeoutMs, (signal) => followed(id, signal)))
        .then(api)
        .then(
          (order) => callback(null, order),
          (thrown: unknown) => callback(statusObject(thrown)),
        );
    },
    watchOrder: (call) =>
      void streamAnswers(call, async function* (signal) {
        await own(call.request.id, call.metadata);
        for await (const order of followed(call.request.id, signal)) yield api(order);
      }),
    listOrders: answer(async ({ service, state, limit }, metadata) => {
      const scope = await rights.scope(metadata);
      const { store } = await opened();
      const found = await store.list(
        service,
        stateNameOf(state),
        Math.min(limit || LIMIT.default, LIMIT.most),
        scope,
      );
      return { orders: found.map(({ order, tasks }) => ({ ...orderToApi(order, tasks), tasks: [] })) };
    }),
    cancelOrder: answer(async ({ id, reason }, metadata) => {
      await own(id, metadata);
      const { store } = await opened();
      const why = reason === "" ? "" : `: ${reason.slice(0, LONGEST_REASON)}`;
      const error = new RouseError("CANCELLED", `The order was cancelled${why}.`, {
        reason: "ORDER_CANCELLED",
      });
      await store.cancel(id, errorJson(error));
      return api(await known(id));
    }),
    retryOrder: answer(async ({ id }, metadata) => {
      const { order, tasks } = await own(id, metadata);
      const { store } = await opened();
      const left = isOver(order) ? versionsOf(tasks.filter(({ state }) => state !== "succeeded")) : [];
      if (!(await pins.during(left, () => store.retry(id))))
        throw notRetried(id, order.state === "succeeded");
      return api(await known(id));
    }),
    orderLogs: (call) => {
      const { id, task, follow: goesOn } = call.request;
      return void streamAnswers(call, async function* (signal) {
        const { store } = await opened();
        const { tasks } = await own(id, call.metadata);
        if (task !== "" && !tasks.some(({ name }) => name === task)) throw unknownTask(id, task, tasks);
        yield* orderLogs({ store, jobLogs, orders: followed(id, signal), id, task, follow: goesOn, signal });
      });
    },
  };
}

async function create(
  { surroundings, opened, pins }: OrdersServiceDeps,
  request: CreateOrderRequest,
  metadata: Metadata,
  own: (id: string, metadata: Metadata) => Promise<OrderWithTasks>,
  api: (order: OrderWithTasks) => Promise<Order>,
): Promise<Order> {
  const { order, artifacts: uris } = await accept(request, askerOf(metadata), await surroundings());
  const { store, artifacts } = await opened();
  for (const [uri, where] of uris) {
    try {
      await artifacts.stat(uri);
    } catch (thrown) {
      const { status, message, reason, metadata } = RouseError.from(thrown);
      throw new RouseError(status, `${where}: ${message}`, { reason, metadata, cause: thrown });
    }
  }
  if (request.validateOnly) return checkedOnly(order);
  const holder = holderOf(order.id);
  let kept = false;
  try {
    // Held before anybody can count on the order, so that they cannot go in between.
    for (const uri of uris.keys()) await artifacts.hold(uri, holder);
    const row = await pins.during(versionsOf(order.tasks), () => store.insert(order));
    kept = row.id === order.id;
    if (!kept && !row.digest.equals(order.digest)) throw orderKeyReused(order.idempotencyKey, row.id);
    return api(await own(row.id, metadata));
  } finally {
    if (!kept && uris.size > 0) await artifacts.release(holder).catch(() => undefined);
  }
}

interface Versioned {
  readonly service: string;
  readonly version: string;
}

/** Each version once. */
function versionsOf(tasks: readonly Versioned[]): Versioned[] {
  return [...new Map(tasks.map((task) => [`${task.service} ${task.version}`, task])).values()];
}

/** Who holds what an order needs and what it has put out. */
export function holderOf(id: string): string {
  return `order:${id}`;
}

function checkedOnly({
  name,
  priority,
  metadata,
  tasks,
}: Awaited<ReturnType<typeof accept>>["order"]): Order {
  const now = new Date();
  const order = {
    id: "",
    sequence: 0,
    name,
    priority,
    metadata,
    caller: "",
    asker: "",
    digest: Buffer.alloc(0),
    keep_ms: 0,
  } as const;
  const times = { error: null, created_at: now, started_at: null, ended_at: null, revision: 0 };
  return { ...orderToApi({ ...order, ...times, state: "queued" }, []), taskCount: tasks.length };
}

function notRetried(id: string, succeeded: boolean): RouseError {
  if (succeeded) {
    return new RouseError(
      "FAILED_PRECONDITION",
      `Order ${id} has succeeded: there is nothing to retry. Order it anew, with another key, to have it done again.`,
      { reason: "ORDER_SUCCEEDED" },
    );
  }
  return new RouseError(
    "FAILED_PRECONDITION",
    `Order ${id} has not ended, and goes on by itself. Cancel it first, or wait for it.`,
    { reason: "ORDER_NOT_ENDED" },
  );
}

function unknownTask(id: string, task: string, tasks: readonly { readonly name: string }[]): RouseError {
  const there = tasks.map(({ name }) => name).join(", ");
  return new RouseError(
    "NOT_FOUND",
    `Order ${id} has no task ${JSON.stringify(task.slice(0, 60))}. It has ${there}.`,
    {
      reason: "ORDER_TASK_UNKNOWN",
    },
  );
}
