import { fromBinary, toJson } from "@bufbuild/protobuf";
import { RouseError } from "../../sdk/errors.ts";
import { type CatalogMethod, findMethod } from "../call/method.ts";
import { encodeRequests } from "../call/requests.ts";

/** The method whose contract a queue's tasks keep; undefined: the queue has just a name, and its tasks are JSON. */
async function methodOf(registry: string, queue: string): Promise<CatalogMethod | undefined> {
  if (!/^[\w.]+\.\w+\/\w+$/.test(queue)) return undefined;
  try {
    return await findMethod(registry, queue, "");
  } catch (thrown) {
    if (RouseError.from(thrown).status === "NOT_FOUND") return undefined;
    throw thrown;
  }
}

/**
 * The payload of a new task.
 *
 * @throws RouseError INVALID_ARGUMENT REQUEST_INVALID.
 */
export async function encodePayload(registry: string, queue: string, json: string): Promise<Buffer> {
  const method = await methodOf(registry, queue);
  if (method !== undefined)
    for await (const bytes of encodeRequests(method, [json])) return Buffer.from(bytes);
  try {
    JSON.parse(json);
  } catch (cause) {
    throw new RouseError("INVALID_ARGUMENT", `The payload is not JSON: ${(cause as Error).message}.`, {
      reason: "REQUEST_INVALID",
      cause,
    });
  }
  return Buffer.from(json);
}

/** The result as JSON. */
export async function resultText(registry: string, queue: string, result: Buffer): Promise<string> {
  const method = await methodOf(registry, queue);
  if (method === undefined) return result.toString();
  const { descriptor, types } = method;
  return JSON.stringify(
    toJson(descriptor.output, fromBinary(descriptor.output, result), { registry: types }),
  );
}
