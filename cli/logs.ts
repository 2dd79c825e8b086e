import { type LogLine, LogsClient, type ReadLogsResponse } from "#proto/rouse/usage/v1/usage.ts";
import { RouseError } from "../sdk/errors.ts";
import { callError } from "../sdk/grpc.ts";
import { type Mesh, withClient } from "./connect.ts";
import { versionState } from "./version-state.ts";

export interface LogQuery {
  /** Empty: all services. */
  readonly service: string;
  /** Empty: all. */
  readonly version: string;
  readonly instance: string;
  readonly host: string;
  readonly contains: string;
  /** ms since 1970; 0: as far back as there is anything. */
  readonly fromMs: number;
  /** Lines of the past. */
  readonly tail: number;
  readonly follow: boolean;
  readonly json: boolean;
}

/**
 * Prints lines of all hosts in the order of their times, and with follow those to come.
 *
 * @throws RouseError NOT_FOUND when the catalog has no such service or version and there are no lines of it either.
 */
export async function showLogs(mesh: Mesh, { json, ...query }: LogQuery): Promise<void> {
  const unknown = await checkKnown(mesh, query).catch((error: unknown) => error);
  let count = 0;
  await withClient(LogsClient, mesh.registry, async (client) => {
    // What never was has nothing to come, and one may still want to read what a service wrote that is gone.
    const lines = client.readLogs({ ...query, toMs: 0, follow: query.follow && unknown === undefined });
    try {
      for await (const { lines: some } of lines as AsyncIterable<ReadLogsResponse>) {
        for (const line of some) {
          if (line.stream !== "notice") count += 1;
          console.log(json ? JSON.stringify(line) : textOf(line));
        }
      }
    } catch (error) {
      throw callError(error);
    }
  });
  if (count > 0 || query.follow) return;
  if (unknown !== undefined) throw unknown;
  if (!json) console.error("No line is kept that fits.");
}

async function checkKnown(
  mesh: Mesh,
  { service, version }: { service: string; version: string },
): Promise<void> {
  if (service === "") return;
  const { version: found } = await versionState(mesh.registry, service, version);
  if (version === "" || found !== undefined) return;
  throw new RouseError("NOT_FOUND", `${service} has no version ${version}; "rouse services" lists them.`, {
    reason: "VERSION_UNKNOWN",
  });
}

const MARKS: Readonly<Record<string, string>> = { stdout: "|", stderr: "!", notice: "*" };

function textOf({ instance, host, stream, atMs, text }: LogLine): string {
  const time = new Date(atMs).toISOString().slice(5, 23).replace("T", " ");
  return `${time} ${instance || host} ${MARKS[stream] ?? "?"} ${text}`;
}
