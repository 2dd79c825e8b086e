/*
 * rouse/server
 *
 *   bindService(definition, descriptorSet?): ServeFunction   what generated code exports as `serve`:
 *     export const serve: ServeFunction<typeof XDefinition> = bindService(XDefinition, descriptorSetBase64)
 *     export type XHandlers<State = undefined> = Handlers<typeof XDefinition, State>   (or an interface of that shape)
 *   serve(definition, handlers, options?): Promise<RunningServer>
 *   asset(path): string                                      absolute path of a file of the service's package
 *   RouseError, and the types below
 */
export type {
  DurableFunction,
  Run,
  RunCallOptions,
  RunClient,
  RunOperation,
  StepCall,
  StepOptions,
} from "../durable/types.ts";
export { RouseError } from "../errors.ts";
export { asset } from "./asset.ts";
export { bindService, serve } from "./serve.ts";
export type {
  Call,
  CallOperation,
  Handler,
  Handlers,
  Job,
  JobCall,
  JobOutput,
  RunningServer,
  ServeFunction,
  ServeOptions,
  ServerLog,
  SessionHooks,
  StatefulServeOptions,
} from "./types.ts";
