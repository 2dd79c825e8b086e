import type { HostState } from "../registry/hosts.ts";
import { RouseError } from "../sdk/errors.ts";
import { unary } from "../sdk/grpc.ts";
import type { Orchestrator } from "./orchestrator.ts";
import { startInstance } from "./start.ts";

/** An agent that does not answer at once, such as that of a host which died with the former leader, is not waited for, ms. */
const WAIT_MS = 500;
/** What it says later is heard all the same, ms. */
const ASK_MS = 5_000;

/**
 * Begins to lead: tells every agent the new token, so that none obeys the former leader any more, and joins the starts that
 * that one left under way, so that none is made twice.
 *
 * @param leads Whether the lock is still held; hosts may take a while to answer.
 * @param outgrow Told of a newer token that an agent knows, as when Consul was put back: this leadership comes to nothing, and
 *   another one follows.
 */
export async function takeOver(
  orchestrator: Orchestrator,
  token: number,
  leads: () => boolean,
  outgrow: (known: number) => void,
): Promise<void> {
  let outgrown = false;
  const stale = (known: number) => {
    outgrown = true;
    if (leads()) outgrow(known);
  };
  const asked: Promise<void>[] = [];
  for (const host of orchestrator.mesh.hosts()) {
    const joined = join(orchestrator, host, token, leads, stale);
    // One that does not answer would only take its time. It may be there all the same, and obey the former leader, when that is cut off from
    // Consul alone.
    if (host.reachable) asked.push(joined);
  }
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, WAIT_MS);
  await Promise.race([Promise.all(asked), late.promise]);
  clearTimeout(timer);
  if (leads() && !outgrown) orchestrator.lead(token);
}

async function join(
  orchestrator: Orchestrator,
  host: HostState,
  token: number,
  leads: () => boolean,
  stale: (known: number) => void,
): Promise<void> {
  const { mesh, agents, log, starts } = orchestrator;
  try {
    const client = agents.at(host.address);
    const request = { fencingToken: token };
    const { instances } = await unary(client, "listInstances", request, { deadlineMs: ASK_MS });
    if (!leads()) return;
    for (const { id, service, version, generation, state, placed } of instances) {
      const known = mesh.current().services.get(service)?.versions.get(version);
      if (known === undefined || state !== "INSTANCE_STATE_STARTING" || starts.get(id) !== undefined)
        continue;
      const target = { service, version, generation };
      startInstance(orchestrator, { target, host: host.host, why: placed }, known, token, id);
    }
  } catch (thrown) {
    const error = RouseError.from(thrown);
    if (error.reason === "STALE_TOKEN") stale(Number(error.metadata.newest));
    log.warn({ err: error, host: host.host }, "host does not tell its instances");
  }
}
