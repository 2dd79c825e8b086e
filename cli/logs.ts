import { AgentClient, type LogLine } from "#proto/rouse/agent/v1/agent.ts";
import { OrchestratorClient } from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import { RouseError } from "../sdk/errors.ts";
import { callError, unary } from "../sdk/grpc.ts";
import { type Mesh, withClient } from "./connect.ts";
import { versionState } from "./version-state.ts";

export interface LogQuery {
  readonly service: string;
  /** Empty: all. */
  readonly version: string;
  /** Lines of the past per instance. */
  readonly tail: number;
  readonly follow: boolean;
  readonly json: boolean;
}

/**
 * Prints the lines of all hosts as they come.
 *
 * @throws RouseError NOT_FOUND when the catalog has no such service or version.
 */
export async function showLogs(mesh: Mesh, query: LogQuery): Promise<void> {
  await checkKnown(mesh, query);
  const { hosts } = await withClient(OrchestratorClient, mesh.control, (client) =>
    unary(client, "getStatus", {}),
  );
  const agents = hosts.length === 0 ? [mesh.agent] : hosts.map(({ address }) => address);
  const counts = await Promise.all(agents.map((agent) => showHost(agent, query)));
  if (!query.json && counts.every((count) => count === 0))
    console.error(`No instance of ${query.service} has written anything lately.`);
}

async function checkKnown(mesh: Mesh, { service, version }: LogQuery): Promise<void> {
  const { version: found } = await versionState(mesh.registry, service, version);
  if (version === "" || found !== undefined) return;
  throw new RouseError("NOT_FOUND", `${service} has no version ${version}; "rouse services" lists them.`, {
    reason: "VERSION_UNKNOWN",
  });
}

/** @returns how many lines there were. */
function showHost(agent: string, { service, version, tail, follow, json }: LogQuery): Promise<number> {
  return withClient(AgentClient, agent, async (client) => {
    const lines = client.logs({ instanceId: "", service, version, tail, follow });
    let count = 0;
    try {
      for await (const line of lines as AsyncIterable<LogLine>) {
        count += 1;
        console.log(json ? JSON.stringify(line) : textOf(line));
      }
    } catch (error) {
      throw callError(error);
    }
    return count;
  });
}

function textOf({ instanceId, stream, atMs, line }: LogLine): string {
  const time = atMs === 0 ? "" : `${new Date(atMs).toISOString().slice(11, 23)} `;
  return `${time}${instanceId} ${stream === "stderr" ? "!" : "|"} ${line}`;
}
