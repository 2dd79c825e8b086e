import type { Metadata } from "@grpc/grpc-js";
import { type JournalEntry, type Run, RunState, type RunsServer } from "#proto/rouse/orders/v1/runs.ts";
import type { MeshState } from "../../registry/state.ts";
import { answer } from "../../sdk/answer.ts";
import { RouseError } from "../../sdk/errors.ts";
import { isId } from "../id.ts";
import { isOver, type StateName } from "../operations/record.ts";
import type { OperationStore } from "../operations/store.ts";
import type { VersionPins } from "../pins/pins.ts";
import type { Rights } from "../rights.ts";
import { whoCalls, withinMesh } from "../who.ts";
import { MOST_ENTRY_BYTES } from "./limits.ts";
import { type EntryRow, type RunRow, runToApi, toEntry } from "./record.ts";
import type { RunStore } from "./store.ts";

/** What the service answers from; the database may have to be started first. */
export interface RunsDeps {
  readonly state: () => Promise<MeshState>;
  /** Keeps versions in the catalog. */
  readonly pins: Pick<VersionPins, "during">;
  readonly rights: Rights;
  readonly opened: () => Promise<{ readonly runs: RunStore; readonly operations: OperationStore }>;
}

const LIMIT = { default: 50, most: 500 } as const;
const LONGEST_REASON = 500;
const LONGEST_NAME = 200;
/** Bytes of a value that are shown. */
const SHOWN_BYTES = 2_000;
const ALL: readonly StateName[] = ["waiting", "running", "succeeded", "failed", "cancelled"];

/** States of operations, and whether they sleep, by the state of a run. */
const wanted: Readonly<Partial<Record<RunState, { states: readonly StateName[]; sleeping?: boolean }>>> = {
  [RunState.QUEUED]: { states: ["waiting"], sleeping: false },
  [RunState.RUNNING]: { states: ["running"], sleeping: false },
  [RunState.SLEEPING]: { states: ["waiting", "running"], sleeping: true },
  [RunState.SUCCEEDED]: { states: ["succeeded"] },
  [RunState.FAILED]: { states: ["failed"] },
  [RunState.CANCELLED]: { states: ["cancelled"] },
};

/** The service rouse.orders.v1.Runs. */
export function runsService({ state, pins, rights, opened }: RunsDeps): RunsServer {
  const known = async (id: string): Promise<RunRow> => {
    const { runs } = await opened();
    const row = isId(id) ? await runs.get(id) : undefined;
    if (row === undefined) throw unknownRun(id);
    return row;
  };
  const own = async (id: string, metadata: Metadata): Promise<RunRow> => {
    const row = await known(id);
    await rights.check(metadata, { ...row, services: [row.service] }, `Run ${id}`);
    return row;
  };
  return {
    listRuns: answer(async ({ service, version, key, state: asked, limit }, metadata) => {
      const scope = await rights.scope(metadata);
      const { runs } = await opened();
      const { states, sleeping } = wanted[asked] ?? { states: ALL };
      const rows = await runs.list({
        service,
        version,
        key,
        states,
        sleeping,
        limit: Math.min(limit || LIMIT.default, LIMIT.most),
        scope,
      });
      return { runs: rows.map(runToApi) };
    }),
    getRun: answer(async ({ id }, metadata) => {
      const row = await own(id, metadata);
      return withJournal(row, await (await opened()).runs.journal(id));
    }),
    cancelRun: answer(async ({ id, reason }, metadata) => {
      const row = await own(id, metadata);
      const { operations } = await opened();
      const why = reason === "" ? "" : `: ${reason.slice(0, LONGEST_REASON)}`;
      const error = new RouseError("CANCELLED", `The run was cancelled${why}.`, {
        reason: "OPERATION_CANCELLED",
      });
      if (!isOver(row)) await operations.fail(id, error, "cancelled");
      return runToApi(await known(id));
    }),
    retryRun: answer(async ({ id, from, version }, metadata) => {
      const row = await own(id, metadata);
      if (!isOver(row)) throw notEnded(id, "A run that goes on cannot be retried");
      if (from > row.entries) throw noStep(id, from, row.entries);
      const other = version === "" ? row.version : version;
      checkVersion(await state(), row, other);
      const { runs } = await opened();
      const forgotten = new RouseError("CANCELLED", `Run ${id} was retried from before it started this.`, {
        reason: "OPERATION_CANCELLED",
      });
      const pinned = [{ service: row.service, version: other }];
      if (!(await pins.during(pinned, () => runs.reopen(id, from, other, forgotten))))
        throw notEnded(id, "Somebody else retries it already");
      return runToApi(await known(id));
    }),
    answerRun: answer(async ({ id, name, value }, metadata) => {
      const row = await own(id, metadata);
      if (isOver(row)) {
        throw new RouseError("FAILED_PRECONDITION", `Run ${id} has ended and takes no answers any more.`, {
          reason: "RUN_IS_OVER",
        });
      }
      if (
        name === "" ||
        name.includes("\0") ||
        name.length > LONGEST_NAME ||
        value.length > MOST_ENTRY_BYTES
      ) {
        throw new RouseError(
          "INVALID_ARGUMENT",
          `An answer needs the name that the run waits for, of 1 to ${LONGEST_NAME} characters without NUL, and a value of ${MOST_ENTRY_BYTES} bytes at most; "rouse runs show ${id}" tells the name.`,
          { reason: "RUN_ANSWER_INVALID" },
        );
      }
      await (await opened()).runs.giveAnswer(id, name, value);
      return {};
    }),
    listKept: answer(async ({ service, key, limit }, metadata) => {
      const scope = await rights.scope(metadata);
      if (scope !== undefined && !scope.services.includes(service)) return { kept: [] };
      const { runs } = await opened();
      const rows = await runs.listKept(service, key, Math.min(limit || LIMIT.default, LIMIT.most));
      return {
        kept: rows.map(({ kept_at, value, ...row }) => ({
          ...row,
          value: value.subarray(0, SHOWN_BYTES),
          valueBytes: value.length,
          keptAtMs: kept_at.getTime(),
        })),
      };
    }),
    forgetKept: answer(async ({ service, key, name }, metadata) => {
      withinMesh(whoCalls(metadata), "Forgetting what runs have kept");
      return { forgotten: await (await opened()).runs.forgetKept(service, key, name) };
    }),
  };
}

function withJournal(row: RunRow, rows: readonly EntryRow[]): Run {
  const journal = rows.map((entry): JournalEntry => {
    const { error, ...shown } = toEntry(entry);
    return {
      entry: { ...shown, error, value: entry.value.subarray(0, SHOWN_BYTES) },
      recordedAtMs: entry.recorded_at_ms,
      completedAtMs: entry.completed_at_ms,
      operation: entry.child ?? "",
      valueBytes: entry.value.length,
    };
  });
  journal.sort((a, b) => (a.entry?.index ?? 0) - (b.entry?.index ?? 0));
  return { ...runToApi(row), journal };
}

/** NOT_FOUND for a run that is not there (any more). */
function unknownRun(id: string): RouseError {
  return new RouseError(
    "NOT_FOUND",
    `There is no durable run ${JSON.stringify(id.slice(0, 60))}: it never was, or its time is over. "rouse runs" lists those there are.`,
    { reason: "RUN_UNKNOWN" },
  );
}

function notEnded(id: string, why: string): RouseError {
  return new RouseError(
    "FAILED_PRECONDITION",
    `${why}; cancel it first, or wait until it ends: rouse runs cancel ${id}`,
    { reason: "RUN_NOT_ENDED" },
  );
}

function noStep(id: string, from: number, entries: number): RouseError {
  return new RouseError(
    "INVALID_ARGUMENT",
    `Run ${id} has ${entries} steps in its journal, so that it cannot be retried from step ${from}. "rouse runs show ${id}" numbers them.`,
    { reason: "RUN_STEP_UNKNOWN" },
  );
}

function checkVersion(mesh: MeshState, { id, service, method }: RunRow, version: string): void {
  const found = mesh.services.get(service)?.versions.get(version);
  if (found?.manifest.methods.find(({ name }) => name === method)?.durable === true) return;
  const there = [...(mesh.services.get(service)?.versions.keys() ?? [])].join(", ");
  throw new RouseError(
    "FAILED_PRECONDITION",
    `Run ${id} cannot go on with ${service} ${version}: ${found === undefined ? `the catalog has only ${there || "no version at all"}` : `there ${method} is not durable`}. Choose a version that has it: --version`,
    { reason: "RUN_VERSION_UNFIT" },
  );
}
