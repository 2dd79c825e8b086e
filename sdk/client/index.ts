/*
 * rouse/client
 *
 *   createClient(definition, options?): Client<typeof definition>
 *   operation(method, id): an async call that was started elsewhere
 *   RouseError, and the types below
 */
export { RouseError } from "../errors.ts";
export { createClient } from "./client.ts";
export type { AsyncCallOptions, AsyncMethods, OperationHandle, OperationView } from "./operations.ts";
export { operation } from "./operations.ts";
export type {
  Asynchronous,
  Client,
  ClientCallOptions,
  ClientMethod,
  ClientOptions,
  Closable,
} from "./types.ts";
