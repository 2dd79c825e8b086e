import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import {
  type Build,
  Build_State,
  BuildsClient,
  type ReadBuildLogResponse,
} from "#proto/rouse/registry/v1/builds.ts";
import { RouseError } from "../sdk/errors.ts";
import { callError, unary } from "../sdk/grpc.ts";
import { withClient } from "./connect.ts";

/** What to build. */
export interface BuildWish {
  /** URL, or path on this host. */
  readonly repository: string;
  readonly ref: string;
  readonly folder: string;
  readonly tags: readonly string[];
}

/**
 * Starts a build on the registry, prints its log as it grows, and answers when the version is registered.
 *
 * @throws RouseError FAILED_PRECONDITION BUILD_FAILED with the build's reason, CANCELLED BUILD_CANCELLED; as StartBuild ends.
 */
export async function buildFromGit(registry: string, wish: BuildWish): Promise<Build> {
  const request = { ...wish, tags: [...wish.tags], repository: repositoryOf(wish.repository) };
  const { build } = await withClient(BuildsClient, registry, (client) =>
    unary(client, "startBuild", request),
  );
  const id = build?.id ?? "";
  console.log(`build ${id} (it goes on when you leave; "rouse builds cancel ${id}" ends it)`);
  return followBuild(registry, id);
}

/** Prints a build's log until it ends. @throws as {@link buildFromGit}. */
export async function followBuild(registry: string, id: string): Promise<Build> {
  await printBuildLog(registry, id, true);
  const build = await getBuild(registry, id);
  if (build.state === Build_State.SUCCEEDED) return build;
  if (build.state === Build_State.CANCELLED)
    throw new RouseError("CANCELLED", build.reason, { reason: "BUILD_CANCELLED" });
  throw new RouseError("FAILED_PRECONDITION", build.reason, { reason: "BUILD_FAILED" });
}

/** Prints what there is of a build's log, and with `follow` what comes. */
export async function printBuildLog(
  registry: string,
  id: string,
  follow: boolean,
  json = false,
): Promise<void> {
  await withClient(BuildsClient, registry, async (client) => {
    try {
      const lines = client.readBuildLog({ id, follow }) as AsyncIterable<ReadBuildLogResponse>;
      for await (const line of lines) console.log(json ? JSON.stringify(line) : textOf(line));
    } catch (error) {
      throw callError(error);
    }
  });
}

export async function getBuild(registry: string, id: string): Promise<Build> {
  const { build } = await withClient(BuildsClient, registry, (client) => unary(client, "getBuild", { id }));
  if (build !== undefined) return build;
  throw new RouseError("INTERNAL", `The registry answered no build for ${id}.`);
}

/** "running", say. */
export function buildStateWord(state: Build["state"]): string {
  return state.replace("STATE_", "").toLowerCase();
}

/** A path of this host's is given as the registry needs it: from the root. */
function repositoryOf(text: string): string {
  if (/^\.{0,2}\//.test(text) || text === "." || text === "..") return resolve(text);
  const isFolder = !text.includes(":") && existsSync(text) && statSync(text).isDirectory();
  return isFolder ? resolve(text) : text;
}

function textOf({ atMs, step, line }: ReadBuildLogResponse): string {
  return `${new Date(atMs).toISOString().slice(11, 19)} ${step.padEnd(8)} ${line}`.trimEnd();
}
