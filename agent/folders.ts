import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, realpathSync } from "node:fs";
import { join } from "node:path";

/** Where an agent keeps what. */
export interface Folders {
  /** Sockets that instances reach; mounted into containers as a whole. */
  readonly run: string;
  readonly notifySocket: string;
  /** One JSON file per instance. */
  readonly instances: string;
  /** One JSON file per prepared version. */
  readonly prepared: string;
  readonly bundles: string;
  readonly logs: string;
  /** Layers of images that do not change. */
  readonly layers: string;
  readonly fencing: string;
  /** Which bundles this host keeps for others. */
  readonly copies: string;
  /** The agent's own, with all of these but `run`. */
  readonly agent: string;
  /** Names this data folder on containers, cgroups and processes, so that agents of other folders leave them alone. */
  readonly owner: string;
}

/** Makes the agent's folders within the mesh's data folder. */
export function makeFolders(dataDir: string): Folders {
  mkdirSync(dataDir, { recursive: true });
  const data = realpathSync(dataDir);
  const agent = join(data, "agent");
  const folders: Folders = {
    run: join(data, "run"),
    notifySocket: join(data, "run", "notify.sock"),
    instances: join(agent, "instances"),
    prepared: join(agent, "prepared"),
    bundles: join(agent, "bundles"),
    logs: join(agent, "logs"),
    layers: join(agent, "layers"),
    fencing: join(agent, "fencing.json"),
    copies: join(agent, "copies.json"),
    agent,
    owner: createHash("sha256").update(data).digest("hex").slice(0, 16),
  };
  for (const folder of [
    folders.run,
    folders.instances,
    folders.prepared,
    folders.bundles,
    folders.logs,
    folders.layers,
  ])
    mkdirSync(folder, { recursive: true });
  // Instances in containers run as another user and must get through to the sockets.
  chmodSync(folders.run, 0o755);
  return folders;
}
