/*
 * rouse/testing
 *
 *   startInProcess(definition, handlers, options?): Promise<{ target: string; close(): Promise<void> }>
 *   real gRPC on a loopback port of this process; give `target` to createClient
 */
export { type InProcessServer, startInProcess } from "./in-process.ts";
