import type { RegistryContext } from "../context.ts";
import { callsOf } from "../usage/calls-of.ts";
import type { GateContext } from "./gate.ts";

/** The gate of a registry that counts calls. */
export function gateContext(context: RegistryContext): GateContext {
  const { consul, log } = context;
  return { consul, log, usage: (service, sinceMs) => callsOf(context, service, sinceMs) };
}
