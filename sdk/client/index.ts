/*
 * rouse/client
 *
 *   createClient(definition, options?): Client<typeof definition>
 *   operation(method, id): an async call that was started elsewhere
 *   artifacts(options?): content that is kept, and passed along by its URI
 *   cache(options?): what can be made again, shared by all instances of a service
 *   RouseError, and the types below
 */
export { RouseError } from "../errors.ts";
export type {
  Artifact,
  ArtifactEvent,
  ArtifactSource,
  Artifacts,
  ArtifactsOptions,
  GetOptions,
  PutOptions,
  SearchOptions,
} from "./artifacts/client.ts";
export { artifacts } from "./artifacts/client.ts";
export type { Cache } from "./cache.ts";
export { cache } from "./cache.ts";
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
