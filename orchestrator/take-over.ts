import { unary } from "../sdk/grpc.ts";
import type { Orchestrator } from "./orchestrator.ts";
import { startInstance } from "./start.ts";

/** An agent that does not answer must not keep a new leader from leading, ms. */
const ASK_MS = 2_000;

/**
 * Begins to lead: joins the starts that a former leader left under way, so that none is made twice.
 *
 * @param leads Whether the lock is still held; hosts may take a while to answer.
 */
export async function takeOver(
  orchestrator: Orchestrator,
  token: number,
  leads: () => boolean,
): Promise<void> {
  const { mesh, agents, log } = orchestrator;
  await Promise.all(
    mesh.hosts().map(async (host) => {
      try {
        const client = agents.at(host.address);
        const { instances } = await unary(client, "listInstances", {}, { deadlineMs: ASK_MS });
        for (const { id, service, version, generation, state, placed } of instances) {
          const known = mesh.current().services.get(service)?.versions.get(version);
          if (known === undefined || state !== "INSTANCE_STATE_STARTING") continue;
          const target = { service, version, generation };
          startInstance(orchestrator, { target, host: host.host, why: placed }, known, token, id);
        }
      } catch (error) {
        log.warn({ err: error, host: host.host }, "host does not tell its instances");
      }
    }),
  );
  if (leads()) orchestrator.lead(token);
}
