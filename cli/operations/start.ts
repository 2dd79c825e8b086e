import { OperationsClient } from "#proto/rouse/orders/v1/operations.ts";
import { RouseError } from "../../sdk/errors.ts";
import { unary } from "../../sdk/grpc.ts";
import { KEY_HEADER } from "../../sdk/operation-header.ts";
import { parseHeaders } from "../call/headers.ts";
import { findMethod } from "../call/method.ts";
import { encodeRequests, withFields } from "../call/requests.ts";
import { type Mesh, withClient } from "../connect.ts";

/** The packaged database is set up with the first operation, ms. */
const FIRST_MS = 90_000;

interface StartFlags {
  readonly version?: string;
  readonly field: readonly string[];
  readonly deadline?: number;
  readonly key?: string;
  readonly header: readonly string[];
}

/** Starts an operation and prints its id. */
export async function startOperation(
  mesh: Mesh,
  name: string,
  json: readonly string[],
  { version = "", field, deadline = 0, key = "", header }: StartFlags,
): Promise<void> {
  const actorKey = keyOf(header);
  const method = await findMethod(mesh.registry, name, version);
  const requests: Uint8Array[] = [];
  for await (const bytes of encodeRequests(method, withFields(method, json, field))) requests.push(bytes);
  const [request] = requests;
  if (request === undefined || requests.length > 1) {
    throw new RouseError("INVALID_ARGUMENT", `An async call has one request, and ${requests.length} came.`, {
      reason: "REQUEST_INVALID",
    });
  }
  const [, service = "", methodName = ""] = method.path.split("/");
  const operation = await withClient(OperationsClient, mesh.orders, (client) =>
    unary(
      client,
      "startOperation",
      {
        service,
        version,
        method: methodName,
        request: Buffer.from(request),
        idempotencyKey: key,
        deadlineMs: deadline,
        keepMs: 0,
        key: actorKey,
        waitMs: 0,
      },
      { deadlineMs: FIRST_MS },
    ),
  );
  console.log(operation.id);
  console.error(`its result: rouse operations wait ${operation.id}`);
}

/** The one header that an async call has: the key of a durable run. */
function keyOf(headers: readonly string[]): string {
  const { [KEY_HEADER]: key = "", ...others } = parseHeaders(headers).getMap();
  const [other] = Object.keys(others);
  if (other !== undefined) {
    throw new RouseError(
      "INVALID_ARGUMENT",
      `An async call carries no headers but "${KEY_HEADER}", and -H names "${other}". Call without --async, or put it into the request.`,
      { reason: "FLAG_INVALID" },
    );
  }
  return key.toString();
}
