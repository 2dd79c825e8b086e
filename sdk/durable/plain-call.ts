import { randomUUID } from "node:crypto";
import { defaultTarget } from "../client/attempt.ts";
import { shareChannel } from "../client/channel.ts";
import { startAndWait } from "../client/start-and-wait.ts";
import type { AnyMethodDefinition, ServiceDefinition } from "../definition.ts";
import { IDEMPOTENCY_HEADER, KEY_HEADER } from "../operation-header.ts";
import type { ServerCall } from "../server/call.ts";
import type { Runtime } from "../server/runtime.ts";
import type { AnyHandler } from "../server/shapes.ts";
import { CALLER_HEADER } from "../usage/caller.ts";
import { runLocally } from "./local.ts";
import { functionError } from "./messages.ts";
import type { DurableFunction } from "./types.ts";

const MOST_BYTES = 64 * 2 ** 20;

/**
 * What becomes of a durable method that is called plainly, such as by grpcurl or as JSON: its run is started, and its end awaited.
 * Without a mesh it is run here, in memory.
 */
export function callDurably<State>(
  definition: ServiceDefinition,
  method: AnyMethodDefinition,
  work: DurableFunction<unknown, unknown, State>,
  runtime: Runtime<State>,
): AnyHandler<State> {
  const { ROUSE_INSTANCE, ROUSE_MESH, ROUSE_VERSION } = process.env;
  if (ROUSE_INSTANCE === undefined || ROUSE_MESH === undefined) {
    return async (request, call) => {
      const run = randomUUID();
      const facts = {
        service: definition.name,
        run,
        key: header(call, KEY_HEADER),
        caller: header(call, CALLER_HEADER),
      };
      try {
        return await runLocally(work, request, { ...facts, state: runtime.state, signal: call.signal });
      } catch (thrown) {
        throw functionError(thrown, { method: method.name, run, log: runtime.log });
      }
    };
  }
  return async (request, call) => {
    const channel = shareChannel(defaultTarget({}), MOST_BYTES);
    try {
      return await startAndWait({ definition, method, version: ROUSE_VERSION, channel }, request, {
        key: header(call, KEY_HEADER),
        idempotencyKey: header(call, IDEMPOTENCY_HEADER),
        signal: call.signal,
      });
    } finally {
      channel.release();
    }
  };
}

function header<State>(call: ServerCall<State>, name: string): string {
  const [value] = call.metadata.get(name);
  return typeof value === "string" ? value : "";
}
