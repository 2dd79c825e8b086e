/*
 * rouse/testing
 *
 *   startInProcess(definition, handlers, options?): Promise<{ target: string; close(): Promise<void> }>
 *   real gRPC on a loopback port of this process; give `target` to createClient
 *
 *   replay(durableFunction, request, { services: [service(definition, handlers)], answers, … }): Promise<Replayed>
 *   runs a durable function in memory, begins it anew after every step, and says where it is not deterministic
 */
export { type InProcessServer, startInProcess } from "./in-process.ts";
export { type Replayed, type ReplayedEntry, type ReplayOptions, replay } from "./replay.ts";
export { service, type TestService } from "./services.ts";
