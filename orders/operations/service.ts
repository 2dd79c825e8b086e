import type { Metadata, ServerWritableStream } from "@grpc/grpc-js";
import type {
  Operation,
  OperationsServer,
  WatchOperationRequest,
} from "#proto/rouse/orders/v1/operations.ts";
import { EDGE_HEADER } from "../../mesh-config/resources/registry-routes.ts";
import type { MeshState } from "../../registry/state.ts";
import { answer, statusObject } from "../../sdk/answer.ts";
import { RouseError } from "../../sdk/errors.ts";
import { CALLER_HEADER } from "../../sdk/usage/caller.ts";
import type { Changes } from "../database/changes.ts";
import { unreachable } from "../database/connect.ts";
import type { VersionPins } from "../pins/pins.ts";
import { isOver, type OperationRow, stateName, toApi } from "./record.ts";
import { OPERATIONS_CHANNEL } from "./runner.ts";
import { keyReused, newOperation } from "./start.ts";
import { type OperationStore, unknownOperation } from "./store.ts";

/** What the service answers from; the database may have to be started first. */
export interface OperationsDeps {
  readonly state: () => Promise<MeshState>;
  /** Keeps versions in the catalog. */
  readonly pins: Pick<VersionPins, "during">;
  readonly opened: () => Promise<{ readonly store: OperationStore; readonly changes: Changes }>;
}

const LIMIT = { default: 50, most: 500 } as const;
const LONGEST_NOTE = 500;
/** After so long PostgreSQL has written whatever was committed (thrice wal_writer_delay, with room), ms. */
const SURELY_WRITTEN_MS = 5_000;
/** Longest time of a Node timer, ms. */
const LONGEST_WAIT_MS = 2 ** 31 - 1;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The service rouse.orders.v1.Operations. */
export function operationsService({ state, pins, opened }: OperationsDeps): OperationsServer {
  const known = async (id: string): Promise<OperationRow> => {
    const { store } = await opened();
    const row = UUID.test(id) ? await store.get(id) : undefined;
    if (row === undefined) throw unknownOperation(id);
    return row;
  };
  return {
    startOperation: (call, callback) => {
      const { request, metadata } = call;
      const gone = new AbortController();
      call.on("cancelled", () => gone.abort());
      const start = async () => {
        const made = newOperation(request, await state(), askerOf(metadata));
        const { store } = await opened();
        const row = await pins.during([made], () =>
          store.insert({ ...made, awaited: request.waitMs >= SURELY_WRITTEN_MS }),
        );
        if (row.id !== made.id && !row.request_digest.equals(made.requestDigest))
          throw keyReused(made, row.id);
        if (request.waitMs === 0 || isOver(row)) return row;
        const timer = setTimeout(() => gone.abort(), Math.min(request.waitMs, LONGEST_WAIT_MS));
        try {
          return await last(follow(known, opened, row.id, gone.signal));
        } catch (thrown) {
          // The database was killed before the run was on disk. Who asks again with the same key starts it.
          if (RouseError.from(thrown).reason !== "OPERATION_UNKNOWN") throw thrown;
          throw unreachable(new Error("it ended before the operation was begun"));
        } finally {
          clearTimeout(timer);
        }
      };
      start().then(
        (row) => callback(null, toApi(row)),
        (thrown: unknown) => callback(statusObject(thrown)),
      );
    },
    getOperation: answer(async ({ id }) => toApi(await known(id))),
    waitOperation: (call, callback) => {
      const gone = new AbortController();
      call.on("cancelled", () => gone.abort());
      const { id, timeoutMs } = call.request;
      const timer = timeoutMs > 0 ? setTimeout(() => gone.abort(), timeoutMs) : undefined;
      last(follow(known, opened, id, gone.signal))
        .then(
          (row) => callback(null, toApi(row)),
          (thrown: unknown) => callback(statusObject(thrown)),
        )
        .finally(() => clearTimeout(timer));
    },
    watchOperation: (call) => void watch(call, (signal) => follow(known, opened, call.request.id, signal)),
    listOperations: answer(async ({ service, state: wanted, limit }) => {
      const { store } = await opened();
      const rows = await store.list(service, stateName(wanted), Math.min(limit || LIMIT.default, LIMIT.most));
      return { operations: rows.map(toApi) };
    }),
    cancelOperation: answer(async ({ id, reason }) => {
      const row = await known(id);
      const { store } = await opened();
      const why = reason === "" ? "" : `: ${reason.slice(0, LONGEST_NOTE)}`;
      const error = new RouseError("CANCELLED", `The operation was cancelled${why}.`, {
        reason: "OPERATION_CANCELLED",
      });
      return toApi(isOver(row) ? row : ((await store.fail(id, error, "cancelled")) ?? (await known(id))));
    }),
    reportProgress: answer(async ({ id, progress }) => {
      await known(id);
      const { store } = await opened();
      const { fraction = 0, note = "" } = progress ?? {};
      if (!(fraction >= 0 && fraction <= 1)) {
        throw new RouseError("INVALID_ARGUMENT", `Progress is ${fraction}; give a number from 0 to 1.`, {
          reason: "PROGRESS_INVALID",
        });
      }
      await store.progress(id, fraction, note.slice(0, LONGEST_NOTE));
      return {};
    }),
  };
}

export function askerOf(metadata: Metadata) {
  const [caller] = metadata.get(CALLER_HEADER);
  const outside = metadata.get(EDGE_HEADER).length > 0;
  return { caller: typeof caller === "string" && !outside ? caller : "", outside };
}

/** The operation as it is and with each change, until it has ended or the signal says so. */
async function* follow(
  known: (id: string) => Promise<OperationRow>,
  opened: OperationsDeps["opened"],
  id: string,
  signal: AbortSignal,
): AsyncGenerator<OperationRow> {
  const { changes } = await opened();
  let changed = Promise.withResolvers<void>();
  const wake = () => changed.resolve();
  const unlisten = changes.listen(OPERATIONS_CHANNEL, (other) => {
    if (other === undefined || other === id) wake();
  });
  signal.addEventListener("abort", wake, { once: true });
  let revision = 0;
  try {
    for (;;) {
      const next = Promise.withResolvers<void>();
      changed = next;
      if (signal.aborted) next.resolve();
      const row = await known(id);
      if (row.revision > revision) yield row;
      revision = row.revision;
      if (isOver(row) || signal.aborted) return;
      await next.promise;
    }
  } finally {
    unlisten();
  }
}

async function last(rows: AsyncIterable<OperationRow>): Promise<OperationRow> {
  let found: OperationRow | undefined;
  for await (const row of rows) found = row;
  if (found === undefined) throw new RouseError("INTERNAL", "An operation was followed and never seen.");
  return found;
}

async function watch(
  call: ServerWritableStream<WatchOperationRequest, Operation>,
  rows: (signal: AbortSignal) => AsyncIterable<OperationRow>,
): Promise<void> {
  const gone = new AbortController();
  call.on("cancelled", () => gone.abort());
  try {
    for await (const row of rows(gone.signal)) {
      if (gone.signal.aborted) return;
      call.write(toApi(row));
    }
    call.end();
  } catch (thrown) {
    if (!gone.signal.aborted) call.emit("error", statusObject(thrown));
  }
}
