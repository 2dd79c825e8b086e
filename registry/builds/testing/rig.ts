import { setTimeout as sleep } from "node:timers/promises";
import { credentials, Metadata } from "@grpc/grpc-js";
import {
  type Build,
  Build_State,
  BuildsClient,
  type ReadBuildLogResponse,
  type StartBuildRequest,
} from "#proto/rouse/registry/v1/builds.ts";
import { callError, unary } from "../../../sdk/grpc.ts";

/** A client of a registry's builds. */
export interface BuildsRig {
  readonly client: BuildsClient;
  /** Metadata with a key. */
  key(key: string): Metadata;
  start(request: Partial<StartBuildRequest>): Promise<Build>;
  /** Follows the log to the end. */
  follow(id: string): Promise<ReadBuildLogResponse[]>;
  get(id: string): Promise<Build>;
  /** Starts a build, follows it to its end, and gives the build with its log as text. */
  run(request: Partial<StartBuildRequest>): Promise<{ build: Build; log: string }>;
  /** Resolves when a line of the log holds the text. */
  untilSaid(id: string, text: string): Promise<void>;
  close(): void;
}

/** @param adminKey sent with every call. */
export function buildsRig(address: string, adminKey: string): BuildsRig {
  const client = new BuildsClient(address, credentials.createInsecure());
  const key = (text: string) => {
    const metadata = new Metadata();
    metadata.set("authorization", `Bearer ${text}`);
    return metadata;
  };
  const get = async (id: string) => {
    const { build } = await unary(client, "getBuild", { id });
    if (build === undefined) throw new Error(`no build ${id}`);
    return build;
  };
  const read = async (id: string, follow: boolean) => {
    const lines: ReadBuildLogResponse[] = [];
    try {
      const stream = client.readBuildLog({ id, follow }) as AsyncIterable<ReadBuildLogResponse>;
      for await (const line of stream) lines.push(line);
    } catch (error) {
      throw callError(error);
    }
    return lines;
  };
  const start = async (request: Partial<StartBuildRequest>) => {
    const whole = { repository: "", ref: "", folder: "", tags: [], ...request };
    const { build } = await unary(client, "startBuild", whole, { metadata: key(adminKey) });
    if (build === undefined) throw new Error("no build");
    return build;
  };
  const textOf = (lines: readonly ReadBuildLogResponse[]) =>
    lines.map(({ step, line }) => `${step}: ${line}`).join("\n");
  return {
    client,
    key,
    get,
    start,
    follow: (id) => read(id, true),
    async run(request) {
      const { id } = await start(request);
      const log = textOf(await read(id, true));
      return { build: await get(id), log };
    },
    async untilSaid(id, text) {
      while (!textOf(await read(id, false)).includes(text)) {
        const { state, reason } = await get(id);
        if (state !== Build_State.QUEUED && state !== Build_State.RUNNING)
          throw new Error(`the build ended before it said ${text}: ${reason}`);
        await sleep(20);
      }
    },
    close: () => client.close(),
  };
}
