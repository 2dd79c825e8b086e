import type { Logger } from "pino";
import type { InstanceRecord } from "../record.ts";
import { labels } from "./docker/container-options.ts";
import { Engine } from "./docker/engine.ts";
import { Removals } from "./docker/removals.ts";
import { ProcessRuntime, type ProcessRuntimeOptions } from "./process.ts";
import type { RuntimeName } from "./runtime.ts";

/**
 * Ends what a former agent of this data folder left in another runtime than the one that is used now, as after a restart with another
 * `--runtime`: nobody would watch it, nor count what it takes.
 *
 * @param used The runtime of this agent, which sees to its own.
 */
export async function endLeftovers(
  used: RuntimeName,
  records: readonly InstanceRecord[],
  options: ProcessRuntimeOptions,
  dockerHost: string | undefined,
  log: Logger,
): Promise<void> {
  const were = (runtime: RuntimeName) =>
    runtime === used ? [] : records.filter((record) => record.runtime === runtime);
  const ended = [
    ...(were("process").length > 0 ? await endProcesses(options) : []),
    ...(were("docker").length > 0 ? await endContainers(options.owner, dockerHost, log) : []),
  ];
  for (const what of ended) log.info({ what }, `ended, for the agent now uses the runtime ${used}`);
}

async function endProcesses(options: ProcessRuntimeOptions): Promise<readonly string[]> {
  const runtime = new ProcessRuntime(options);
  const ended = await runtime.sweep();
  await runtime.close();
  return ended;
}

async function endContainers(owner: string, dockerHost: string | undefined, log: Logger): Promise<string[]> {
  const engine = new Engine(dockerHost);
  const removals = new Removals(engine, log);
  try {
    return await removals.sweep(owner, () => true);
  } catch (error) {
    log.warn(
      { err: engine.gone(error) },
      `containers of a former agent may run on: an agent with the runtime docker ends them, and so does "docker rm -f $(docker ps -aq --filter label=${labels.owner}=${owner})"`,
    );
    return [];
  } finally {
    removals.close();
  }
}
