import type { Metadata } from "@grpc/grpc-js";
import type { OperationsServer } from "#proto/rouse/orders/v1/operations.ts";
import type { MeshState } from "../../registry/state.ts";
import { answer, statusObject } from "../../sdk/answer.ts";
import { RouseError } from "../../sdk/errors.ts";
import type { Changes } from "../database/changes.ts";
import { unreachable } from "../database/connect.ts";
import { follow, last, streamAnswers, waitForEnd } from "../follow.ts";
import { isId } from "../id.ts";
import { untilAborted } from "../leader.ts";
import type { VersionPins } from "../pins/pins.ts";
import type { Rights } from "../rights.ts";
import type { LocalRuns } from "../runs/local-runs.ts";
import { whoCalls } from "../who.ts";
import { isOver, type OperationRow, stateName, toApi } from "./record.ts";
import { OPERATIONS_CHANNEL } from "./runner.ts";
import { type Asker, keyReused, newOperation } from "./start.ts";
import { type OperationStore, unknownOperation } from "./store.ts";

/** What the service answers from; the database may have to be started first. */
export interface OperationsDeps {
  readonly state: () => Promise<MeshState>;
  /** Keeps versions in the catalog. */
  readonly pins: Pick<VersionPins, "during">;
  readonly localRuns: LocalRuns;
  readonly rights: Rights;
  readonly opened: () => Promise<{ readonly store: OperationStore; readonly changes: Changes }>;
}

const LIMIT = { default: 50, most: 500 } as const;
const LONGEST_NOTE = 500;
/** After so long PostgreSQL has written whatever was committed (thrice wal_writer_delay, with room), ms. */
const SURELY_WRITTEN_MS = 5_000;
/** Longest time of a Node timer, ms. */
const LONGEST_WAIT_MS = 2 ** 31 - 1;

/** The service rouse.orders.v1.Operations. */
export function operationsService({
  state,
  pins,
  localRuns,
  rights,
  opened,
}: OperationsDeps): OperationsServer {
  const known = async (id: string): Promise<OperationRow> => {
    const { store } = await opened();
    const row = isId(id) ? await store.get(id) : undefined;
    if (row === undefined) throw unknownOperation(id);
    return row;
  };
  const check = async (row: OperationRow, metadata: Metadata): Promise<OperationRow> => {
    await rights.check(metadata, { ...row, services: [row.service] }, `Operation ${row.id}`);
    return row;
  };
  const followed = async function* (id: string, metadata: Metadata, signal: AbortSignal) {
    const { changes } = await opened();
    let checked = false;
    const read = async () => {
      const row = await known(id);
      if (!checked) await check(row, metadata);
      checked = true;
      return row;
    };
    const revisionOf = ({ revision }: OperationRow) => revision;
    yield* follow<OperationRow>(
      { changes, channel: OPERATIONS_CHANNEL, id, read, revisionOf, isOver },
      signal,
    );
  };
  return {
    startOperation: (call, callback) => {
      const { request, metadata } = call;
      const gone = new AbortController();
      call.on("cancelled", () => gone.abort());
      const start = async () => {
        const made = newOperation(request, await state(), askerOf(metadata));
        const { store } = await opened();
        const awaited = request.waitMs >= SURELY_WRITTEN_MS;
        const { row, ended } = await pins.during([made], () =>
          localRuns.start(made, () => store.insert({ ...made, awaited })),
        );
        if (row.id !== made.id) {
          await check(row, metadata);
          if (!row.request_digest.equals(made.requestDigest)) throw keyReused(made, row.id);
        }
        if (request.waitMs === 0 || isOver(row)) return row;
        const timer = setTimeout(() => gone.abort(), Math.min(request.waitMs, LONGEST_WAIT_MS));
        try {
          const end = await Promise.race([ended, untilAborted(gone.signal).then(() => undefined)]);
          return end ?? (await last(followed(row.id, metadata, gone.signal)));
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
    getOperation: answer(async ({ id }, metadata) => toApi(await check(await known(id), metadata))),
    waitOperation: (call, callback) => {
      const { id, timeoutMs } = call.request;
      waitForEnd(call, timeoutMs, (signal) => followed(id, call.metadata, signal)).then(
        (row) => callback(null, toApi(row)),
        (thrown: unknown) => callback(statusObject(thrown)),
      );
    },
    watchOperation: (call) =>
      void streamAnswers(call, async function* (signal) {
        for await (const row of followed(call.request.id, call.metadata, signal)) yield toApi(row);
      }),
    listOperations: answer(async ({ service, state: wanted, limit }, metadata) => {
      const scope = await rights.scope(metadata);
      const { store } = await opened();
      const most = Math.min(limit || LIMIT.default, LIMIT.most);
      const rows = await store.list(service, stateName(wanted), most, scope);
      return { operations: rows.map(toApi) };
    }),
    cancelOperation: answer(async ({ id, reason }, metadata) => {
      const row = await check(await known(id), metadata);
      const { store } = await opened();
      const why = reason === "" ? "" : `: ${reason.slice(0, LONGEST_NOTE)}`;
      const error = new RouseError("CANCELLED", `The operation was cancelled${why}.`, {
        reason: "OPERATION_CANCELLED",
      });
      return toApi(isOver(row) ? row : ((await store.fail(id, error, "cancelled")) ?? (await known(id))));
    }),
    reportProgress: answer(async ({ id, progress }, metadata) => {
      await check(await known(id), metadata);
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

export function askerOf(metadata: Metadata): Asker {
  const { service: caller, provider, outside } = whoCalls(metadata);
  return { caller, provider, outside };
}
