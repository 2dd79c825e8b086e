import { AgentClient } from "#proto/rouse/agent/v1/agent.ts";
import { ConsulClient } from "../../registry/consul.ts";
import { listAgents } from "../../registry/hosts.ts";
import { splitAddress } from "../../registry/instances.ts";
import { RouseError } from "../../sdk/errors.ts";
import { unary } from "../../sdk/grpc.ts";
import { withClient } from "../connect.ts";

/** Longest time that an agent may take to answer, ms. */
const ANSWER_MS = 2_000;

/**
 * Refuses a name that another host of the mesh goes by: each would take the other's instances and modes for its own. One that is
 * announced and does not answer may be this host at an address that it had before.
 *
 * @param consul "host:port" of this host's Consul, which has joined.
 * @param bind This host's address.
 * @throws RouseError FAILED_PRECONDITION HOST_NAME_TAKEN.
 */
export async function checkHostName(
  consul: string,
  host: string,
  bind: string,
  ask: (agent: string) => Promise<string | undefined> = hostOfAgent,
): Promise<void> {
  const client = new ConsulClient({ address: consul });
  try {
    for (const other of await listAgents(client)) {
      if (other.host !== host || splitAddress(other.address).hostname === bind) continue;
      if ((await ask(other.address)) !== host) continue;
      throw new RouseError(
        "FAILED_PRECONDITION",
        `The mesh has a host named ${host} already, whose agent answers at ${other.address}: give this one another name with --host.`,
        { reason: "HOST_NAME_TAKEN" },
      );
    }
  } finally {
    client.close();
  }
}

/** The name of the host whose agent answers there. */
async function hostOfAgent(agent: string): Promise<string | undefined> {
  try {
    return await withClient(
      AgentClient,
      agent,
      async (client) => (await unary(client, "getStatus", {}, { deadlineMs: ANSWER_MS })).host,
    );
  } catch {
    return undefined;
  }
}
