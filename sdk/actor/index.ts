/*
 * rouse/actor
 *
 *   actor(name, fn), actor(name, settings, fn or class), @actor(name, settings?): makes a service of a function or a class
 *   method(schemas): decorates a method of such a class
 *   z: zod, for the schemas; bytes(): a field of bytes
 */
export { z } from "zod";
export type { Run } from "../durable/types.ts";
export { RouseError } from "../errors.ts";
export {
  type ActorSettings,
  actor,
  bytes,
  type ClassSettings,
  type FunctionSettings,
  type MethodSchemas,
  method,
} from "./declare.ts";
export { type ActorMethod, actorHandlers, serveActor } from "./serve.ts";
