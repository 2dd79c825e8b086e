import { AgentClient, type GetStatusResponse } from "#proto/rouse/agent/v1/agent.ts";
import { unary } from "../../sdk/grpc.ts";
import { withClient } from "../connect.ts";

/** What the agent says of itself: its runtime, and why that one. */
export function agentStatus(agent: string): Promise<GetStatusResponse> {
  return withClient(AgentClient, agent, (client) => unary(client, "getStatus", {}));
}
