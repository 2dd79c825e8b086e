/*
 * rouse/client
 *
 *   createClient(definition, options?): Client<typeof definition>
 *   RouseError, and the types below
 */
export { RouseError } from "../errors.ts";
export { createClient } from "./client.ts";
export type { Client, ClientCallOptions, ClientMethod, ClientOptions, Closable } from "./types.ts";
