/*
 * rouse/browser: no Node modules, no grpc-js
 *
 *   createBrowserClient(definition, options?): BrowserClient<typeof definition>
 *   RouseError, and the types below
 */
export { RouseError } from "../errors.ts";
export { createBrowserClient } from "./client.ts";
export type {
  BrowserCallOptions,
  BrowserClient,
  BrowserClientOptions,
  BrowserMethod,
  ResponseMetadata,
} from "./types.ts";
