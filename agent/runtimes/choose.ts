import type { Logger } from "pino";
import type { Bundles } from "../artifacts/bundles.ts";
import type { Folders } from "../folders.ts";
import type { AgentOptions } from "../options.ts";
import { ProcessRuntime } from "./process.ts";
import type { Runtime } from "./runtime.ts";

/** A runtime, and why this one. */
export interface Choice {
  readonly runtime: Runtime;
  readonly reason: string;
}

/** Opens the runtime that is asked for, or with "auto" the best there is. */
export async function chooseRuntime(
  options: AgentOptions,
  folders: Folders,
  bundles: Bundles,
  _log: Logger,
): Promise<Choice> {
  const { meshTarget, otlpEndpoint, host } = options;
  const { owner, logs, notifySocket } = folders;
  const runtime = new ProcessRuntime({ host, owner, logs, notifySocket, meshTarget, otlpEndpoint, bundles });
  return { runtime, reason: "asked for" };
}
