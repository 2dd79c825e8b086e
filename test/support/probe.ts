import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root, rouseOk } from "./rouse.ts";

/** What a test changes of the probe's contract. */
export interface ProbeOptions {
  /** Folder of test/fixtures; default: "probe". */
  readonly fixture?: "probe" | "worker" | "jobs" | "ledger";
  readonly version?: string;
  readonly cpu?: number;
  readonly memory?: string;
  readonly startTimeout?: string;
  readonly idleTimeout?: string;
  readonly minInstances?: number;
  /** Instances kept on standby; default 0, so that an idle version goes back to nothing. */
  readonly standby?: number;
  readonly exposure?: "EXPOSURE_EXTERNAL" | "EXPOSURE_INTERNAL";
  /** Another name of the service, such as "OthersService". */
  readonly service?: string;
  /** Anything else, on the text of the contract. */
  readonly edit?: (contract: string) => string;
}

/** A copy of the probe service in a folder of its own, generated and ready to be registered. */
export interface Probe {
  readonly dir: string;
  readonly version: string;
  /** Builds and registers it with the mesh of the data folder. */
  register(data: string, ...args: string[]): Promise<void>;
  remove(): Promise<void>;
}

/** Makes a probe with the options in its contract, by the real code generator. */
export async function makeProbe(options: ProbeOptions = {}): Promise<Probe> {
  const version = options.version ?? "1.0.0";
  const dir = await mkdtemp(join(tmpdir(), "probe-"));
  const fixture = options.fixture ?? "probe";
  await cp(join(root, "test/fixtures", fixture), dir, { recursive: true });
  await rm(join(dir, "gen"), { recursive: true, force: true });
  await mkdir(join(dir, "node_modules"));
  await symlink(root, join(dir, "node_modules", "rouse"));
  const file = join(dir, `proto/${fixture}/v1/${fixture}.proto`);
  const text = (await readFile(file, "utf8"))
    .replace('version: "1.0.0"', `version: "${version}"`)
    .replace("cpu: 0.1", `cpu: ${options.cpu ?? 0.1}`)
    .replace('memory: "128Mi"', `memory: "${options.memory ?? "128Mi"}"`)
    .replace('start_timeout: "20s"', `start_timeout: "${options.startTimeout ?? "20s"}"`)
    .replace('idle_timeout: "5m"', `idle_timeout: "${options.idleTimeout ?? "5m"}"`)
    .replace("min_instances: 0", `min_instances: ${options.minInstances ?? 0}`)
    .replace("standby: {instances: 0}", `standby: {instances: ${options.standby ?? 0}}`)
    .replace("EXPOSURE_EXTERNAL", options.exposure ?? "EXPOSURE_EXTERNAL");
  await writeFile(file, options.edit?.(text) ?? text);
  if (options.service !== undefined)
    for (const named of [file, join(dir, "package.json")])
      await writeFile(named, (await readFile(named, "utf8")).replace(/\b[A-Z]\w+Service\b/, options.service));
  await rouseOk(["gen", "--dir", dir]);
  return {
    dir,
    version,
    async register(data, ...args) {
      await rouseOk(["register", "--dir", dir, "--data", data, ...args]);
    },
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}
