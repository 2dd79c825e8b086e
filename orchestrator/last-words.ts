import { setTimeout as sleep } from "node:timers/promises";
import { InstanceState } from "#proto/rouse/agent/v1/agent.ts";
import type { Target } from "../registry/target.ts";
import { unary } from "../sdk/grpc.ts";
import type { Orchestrator } from "./orchestrator.ts";

/** An agent takes its instance out of Consul first, and then reads its output: so often it is asked. */
const ASKS = 8;
const PAUSE_MS = 250;
/** Longest time that an agent may take to answer, ms. */
const ANSWER_MS = 2_000;

/** How the latest instance of a target ended. */
export interface Ending {
  readonly host: string;
  /** As a clause, with exit code and last output. */
  readonly reason: string;
}

/** Asks the agents how the latest instance of a target ended; undefined when none can say. */
export async function lastWords(orchestrator: Orchestrator, target: Target): Promise<Ending | undefined> {
  for (let asks = 0; asks < ASKS; asks++) {
    if (asks > 0) await sleep(PAUSE_MS);
    const told = await Promise.all(orchestrator.mesh.hosts().map(({ host, address }) => ask(host, address)));
    const [latest] = told.flat().sort((a, b) => b.startedAtMs - a.startedAtMs);
    if (latest !== undefined) {
      const { host, reason } = latest;
      return {
        host,
        reason: reason.replace(`${target.service} ${target.version} `, "it ").replace(/\.$/, ""),
      };
    }
  }
  return undefined;

  async function ask(host: string, address: string) {
    try {
      const client = orchestrator.agents.at(address);
      const { instances } = await unary(client, "listInstances", {}, { deadlineMs: ANSWER_MS });
      return instances
        .filter(
          ({ service, version, generation, state }) =>
            service === target.service &&
            version === target.version &&
            generation === target.generation &&
            state === InstanceState.FAILED,
        )
        .map(({ reason, startedAtMs }) => ({ host, reason, startedAtMs }));
    } catch {
      // A host that is gone took the words with it.
      return [];
    }
  }
}
