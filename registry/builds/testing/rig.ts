import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { credentials, Metadata } from "@grpc/grpc-js";
import { pino } from "pino";
import {
  type Build,
  BuildsClient,
  type ReadBuildLogResponse,
  type StartBuildRequest,
} from "#proto/rouse/registry/v1/builds.ts";
import { callError, unary } from "../../../sdk/grpc.ts";
import { startConsul } from "../../../test/support/consul.ts";
import { adminKey } from "../../access.ts";
import { type RunningRegistry, startRegistry } from "../../server.ts";
import { type BuildsOptions, hasEnded } from "../queue.ts";
import { innerFolder, outerFolder } from "../scratch-folder.ts";

/** A registry on a real Consul that builds, and a client of its builds. */
export interface BuildsRig {
  readonly dataDir: string;
  readonly consul: string;
  /** The administrator's. */
  readonly key: string;
  registry(): RunningRegistry;
  client(): BuildsClient;
  /** Ends the registry and starts another one on its data. */
  restart(options?: BuildsOptions): Promise<void>;
  /** Starts a build as the administrator, or with another key. */
  start(request: Partial<StartBuildRequest>, key?: string): Promise<Build>;
  cancel(id: string, key?: string): Promise<void>;
  get(id: string): Promise<Build>;
  /** Follows the log to the end. */
  follow(id: string): Promise<string>;
  /** What there is of the log. */
  read(id: string): Promise<string>;
  /** Starts a build, follows it to its end, and gives the build with its log. */
  run(request: Partial<StartBuildRequest>): Promise<{ build: Build; log: string }>;
  /** Resolves when a line of the log holds the text. */
  untilSaid(id: string, text: string): Promise<void>;
  /** Names of what builds have left on disk. */
  leftovers(): Promise<string[]>;
  close(): Promise<void>;
}

/** Metadata that brings a key. */
export function withKey(key: string): Metadata {
  const metadata = new Metadata();
  metadata.set("authorization", `Bearer ${key}`);
  return metadata;
}

export async function startBuildsRig(
  first: BuildsOptions = {},
  more: { openRegistration?: boolean } = {},
): Promise<BuildsRig> {
  const dataDir = await mkdtemp(join(tmpdir(), "rouse-test-builds-"));
  const consul = await startConsul();
  const log = pino({ level: "silent" });
  const startOne = (builds: BuildsOptions) =>
    startRegistry({ listen: "127.0.0.1:0", consul: consul.address, dataDir, log, builds, ...more });
  let registry = await startOne(first);
  const connect = () => new BuildsClient(registry.address, credentials.createInsecure());
  let client = connect();
  const key = await adminKey(dataDir);
  const get = async (id: string) => {
    const { build } = await unary(client, "getBuild", { id });
    if (build === undefined) throw new Error(`no build ${id}`);
    return build;
  };
  const readLog = async (id: string, follow: boolean) => {
    const lines: string[] = [];
    try {
      const stream = client.readBuildLog({ id, follow }) as AsyncIterable<ReadBuildLogResponse>;
      for await (const { step, line } of stream) lines.push(`${step}: ${line}`);
    } catch (error) {
      throw callError(error);
    }
    return lines.join("\n");
  };
  const start: BuildsRig["start"] = async (request, callersKey = key) => {
    const whole = { repository: "", ref: "", folder: "", tags: [], ...request };
    const { build } = await unary(client, "startBuild", whole, { metadata: withKey(callersKey) });
    if (build === undefined) throw new Error("no build");
    return build;
  };
  return {
    dataDir,
    consul: consul.address,
    key,
    registry: () => registry,
    client: () => client,
    get,
    start,
    async restart(options = first) {
      client.close();
      await registry.close();
      registry = await startOne(options);
      client = connect();
    },
    async cancel(id, callersKey = key) {
      await unary(client, "cancelBuild", { id }, { metadata: withKey(callersKey), deadlineMs: 60_000 });
    },
    follow: (id) => readLog(id, true),
    read: (id) => readLog(id, false),
    async run(request) {
      const { id } = await start(request);
      const text = await readLog(id, true);
      return { build: await get(id), log: text };
    },
    async untilSaid(id, text) {
      while (!(await readLog(id, false)).includes(text)) {
        const build = await get(id);
        if (hasEnded(build)) throw new Error(`the build ended before it said ${text}: ${build.reason}`);
        await sleep(20);
      }
    },
    async leftovers() {
      const folders = [innerFolder(dataDir), outerFolder(dataDir)];
      return (await Promise.all(folders.map((folder) => readdir(folder).catch(() => [])))).flat();
    },
    async close() {
      client.close();
      await registry.close();
      await consul.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
