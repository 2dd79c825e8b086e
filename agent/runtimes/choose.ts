import { userInfo } from "node:os";
import type { Logger } from "pino";
import { RouseError } from "../../sdk/errors.ts";
import type { Bundles } from "../artifacts/bundles.ts";
import type { Folders } from "../folders.ts";
import { containerUser } from "../image/images.ts";
import type { AgentOptions } from "../options.ts";
import { DockerRuntime, engineMissing } from "./docker/docker.ts";
import { Engine } from "./docker/engine.ts";
import { liveRestoreWarning } from "./docker/live-restore.ts";
import { InProcessRuntime } from "./in-process.ts";
import { ProcessRuntime, type ProcessRuntimeOptions } from "./process.ts";
import type { Runtime } from "./runtime.ts";

/** How long an engine that has containers of ours may take to come back, ms: one without "live-restore" ends them before, in 10 s. */
const engineMs = 30_000;

/** A runtime, and why this one. */
export interface Choice {
  readonly runtime: Runtime;
  readonly reason: string;
}

/**
 * Opens the runtime that is asked for; with "auto" docker when an engine answers and its containers can be reached,
 * else process.
 *
 * @param adopts containers of a former agent may run: an engine that is just away is waited for.
 * @throws RouseError FAILED_PRECONDITION ENGINE_MISSING when docker is asked for and cannot be had.
 */
export async function chooseRuntime(
  options: AgentOptions,
  folders: Folders,
  bundles: Bundles,
  log: Logger,
  adopts: boolean,
): Promise<Choice> {
  const { runtime = "auto" } = options;
  const common = processOptions(options, folders, bundles);
  if (runtime === "process") return { runtime: new ProcessRuntime(common), reason: "asked for" };
  if (runtime === "in-process") return { runtime: new InProcessRuntime(common), reason: "asked for" };
  try {
    const engine = new Engine(options.dockerHost);
    if (adopts) await engine.answersWithin(engineMs);
    return await docker(engine, options, folders, bundles, log);
  } catch (thrown) {
    const error = RouseError.from(thrown);
    if (runtime === "docker") throw engineMissing(error);
    return { runtime: new ProcessRuntime(common), reason: error.message };
  }
}

/** What runtimes without an engine need. */
export function processOptions(
  { meshTarget, otlpEndpoint, host, zone, bind = "127.0.0.1" }: AgentOptions,
  { owner, logs, notifySocket }: Folders,
  bundles: Bundles,
): ProcessRuntimeOptions {
  return { host, zone, bind, owner, logs, notifySocket, meshTarget, otlpEndpoint, bundles };
}

async function docker(
  engine: Engine,
  options: AgentOptions,
  folders: Folders,
  bundles: Bundles,
  log: Logger,
): Promise<Choice> {
  const name = await engine.greet();
  const settings = {
    host: options.host,
    zone: options.zone,
    bind: options.bind ?? "127.0.0.1",
    owner: folders.owner,
    run: folders.run,
    meshTarget: options.meshTarget,
    otlpEndpoint: options.otlpEndpoint,
    user: instanceUser(),
    maxLogBytes: options.maxLogBytes ?? 10 * 2 ** 20,
  };
  const warning = liveRestoreWarning(name, await engine.info());
  if (warning !== undefined) log.warn(warning);
  const warnings = warning === undefined ? [] : [warning];
  const runtime = await DockerRuntime.open({ engine, settings, folders, bundles, warnings, log });
  const asked = options.runtime === "docker" ? "asked for; " : "";
  return { runtime, reason: `${asked}${name} answers on ${engine.where}` };
}

/** The agent's own user, who can read what is mounted; nobody when that is root. */
function instanceUser(): string {
  const user = userInfo();
  return user.uid > 0 ? `${user.uid}:${user.gid}` : containerUser;
}
