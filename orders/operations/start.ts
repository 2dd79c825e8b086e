import { createHash, randomUUID } from "node:crypto";
import type { StartOperationRequest } from "#proto/rouse/orders/v1/operations.ts";
import type { MeshState } from "../../registry/state.ts";
import { RouseError } from "../../sdk/errors.ts";
import { checkKeepMs } from "../keep.ts";
import { settleMethod } from "../settle.ts";
import { MOST_BYTES } from "./mesh-call.ts";
import type { NewOperation } from "./store.ts";

const DAY_MS = 86_400_000;
/** Of a method without a deadline. */
const LONGEST_MS = 30 * DAY_MS;
const LONGEST_KEY = 200;
/** What any instance takes as the first message of a run. */
const MOST_RUN_REQUEST_BYTES = 3 * 2 ** 20;

/** Who asks. */
export interface Asker {
  /** Service that calls; empty: somebody outside. */
  readonly caller: string;
  /** Provider whose key the call brings; empty: none. */
  readonly provider: string;
  /** The call came in through the edge. */
  readonly outside: boolean;
}

/**
 * Checks a request against the catalog, and settles the version.
 *
 * @throws RouseError NOT_FOUND SERVICE_UNKNOWN, VERSION_UNKNOWN, METHOD_UNKNOWN; FAILED_PRECONDITION METHOD_NOT_ASYNC, METHOD_IS_JOB;
 *   INVALID_ARGUMENT OPERATION_INVALID.
 */
export function newOperation(request: StartOperationRequest, state: MeshState, asker: Asker): NewOperation {
  const { service, method: name, idempotencyKey } = request;
  const {
    version,
    state: shown,
    method,
  } = settleMethod(state, { service, version: request.version, method: name }, asker.outside);
  const { startTimeoutMs } = shown.manifest;
  if (method.mode === "job") {
    throw new RouseError(
      "FAILED_PRECONDITION",
      `${service}/${name} is a job by its contract: it is not called but ordered. Order it by "rouse order" or CreateOrder.`,
      { reason: "METHOD_IS_JOB" },
    );
  }
  if (method.mode === "sync" || method.clientStreaming || method.serverStreaming) {
    const why =
      method.mode === "sync"
        ? "its contract does not say so. Write option (rouse.mesh.v1.method) = { mode: MODE_BOTH } or MODE_ASYNC"
        : "it is a stream";
    throw new RouseError("FAILED_PRECONDITION", `${service}/${name} cannot be called async: ${why}.`, {
      reason: "METHOD_NOT_ASYNC",
    });
  }
  const durable = method.durable === true;
  const mostBytes = durable ? MOST_RUN_REQUEST_BYTES : MOST_BYTES;
  if (request.request.length > mostBytes) {
    throw invalid(
      `the request has more than ${mostBytes / 2 ** 20} MiB; keep what is large as an artifact, and pass its URI along`,
    );
  }
  if (idempotencyKey.length > LONGEST_KEY)
    throw invalid(`the idempotency key has more than ${LONGEST_KEY} characters`);
  if (idempotencyKey.includes("\0") || request.key.includes("\0"))
    throw invalid("its key has a NUL character");
  const keepMs = checkKeepMs(request.keepMs, invalid);
  if (request.key !== "" && !durable)
    throw invalid(`a key is for durable methods, and ${service}/${name} is none (option durable)`);
  if (request.key.length > LONGEST_KEY) throw invalid(`the key has more than ${LONGEST_KEY} characters`);
  // A durable run sleeps as long as it likes.
  const longest = method.deadlineMs || (durable ? Number.MAX_SAFE_INTEGER : LONGEST_MS);
  if (request.deadlineMs > longest)
    throw invalid(`deadline_ms is ${request.deadlineMs}; the contract allows ${longest} at most`);
  const bytes = Buffer.from(request.request);
  return {
    id: randomUUID(),
    service,
    version,
    method: name,
    caller: asker.caller,
    asker: asker.provider,
    idempotencyKey,
    request: bytes,
    requestDigest: digest(request.version, request.key, bytes),
    idempotent: method.idempotency !== "unknown",
    deadlineMs: request.deadlineMs || method.deadlineMs || (durable ? 0 : LONGEST_MS),
    startTimeoutMs,
    keepMs,
    durable,
    key: request.key,
  };
}

function digest(version: string, key: string, request: Buffer): Buffer {
  const hash = createHash("sha256").update(version).update("\0");
  if (key !== "") hash.update(key).update("\0");
  return hash.update(request).digest();
}

function invalid(why: string): RouseError {
  return new RouseError("INVALID_ARGUMENT", `The operation cannot be started: ${why}.`, {
    reason: "OPERATION_INVALID",
  });
}

/** The key was used before, and stood for something else. */
export function keyReused({ service, method, idempotencyKey }: NewOperation, id: string): RouseError {
  return new RouseError(
    "ALREADY_EXISTS",
    `The idempotency key ${JSON.stringify(idempotencyKey)} of ${service}/${method} belongs to operation ${id}, which had another request. Choose another key, or send the same request.`,
    { reason: "IDEMPOTENCY_KEY_REUSED", metadata: { operation: id } },
  );
}
