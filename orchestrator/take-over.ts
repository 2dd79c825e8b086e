import { setTimeout as sleep } from "node:timers/promises";
import { type Instance, InstanceState } from "#proto/rouse/agent/v1/agent.ts";
import { type HostState, isGone } from "../registry/hosts.ts";
import { RouseError } from "../sdk/errors.ts";
import { unary } from "../sdk/grpc.ts";
import { steadyMs } from "../sdk/steady.ts";
import type { Orchestrator } from "./orchestrator.ts";
import { startInstance } from "./start.ts";

/** The agent of a busy host may take so long to answer; one that hangs is not waited for any longer, ms. */
const WAIT_MS = 2_000;
/** What it says later is heard all the same, ms. */
const ASK_MS = 5_000;
/** So often it is looked whether hosts that have not answered are gone: one may have died with the former leader, ms. */
const LOOK_MS = 50;

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
  const asked = new Map<string, Promise<void>>();
  for (const host of orchestrator.mesh.hosts()) {
    const joined = join(orchestrator, host, token, leads, stale);
    asked.set(
      host.host,
      joined.finally(() => asked.delete(host.host)),
    );
  }
  // One that is gone would only take its time. It may be there all the same, and obey the former leader, when that is cut off from
  // Consul alone.
  const awaited = () =>
    orchestrator.mesh.hosts().flatMap((host) => (isGone(host) ? [] : (asked.get(host.host) ?? [])));
  const endMs = steadyMs() + WAIT_MS;
  for (let open = awaited(); open.length > 0 && steadyMs() < endMs; open = awaited())
    await Promise.race([Promise.all(open), sleep(LOOK_MS)]);
  if (leads() && !outgrown) orchestrator.lead(token);
}

async function join(
  orchestrator: Orchestrator,
  host: HostState,
  token: number,
  leads: () => boolean,
  stale: (known: number) => void,
): Promise<void> {
  const { agents, log } = orchestrator;
  try {
    const client = agents.at(host.address);
    const request = { fencingToken: token };
    const { instances } = await unary(client, "listInstances", request, { deadlineMs: ASK_MS });
    if (leads()) for (const instance of instances) joinStart(orchestrator, host.host, instance, token);
  } catch (thrown) {
    const error = RouseError.from(thrown);
    if (error.reason === "STALE_TOKEN") stale(Number(error.metadata.newest));
    log.warn({ err: error, host: host.host }, "host does not tell its instances");
  }
}

/** Takes up a start of the former leader that is under way, or whose instance Consul does not show yet. */
function joinStart(
  orchestrator: Orchestrator,
  host: string,
  { id, service, version, generation, state, placed, address, retiring }: Instance,
  token: number,
): void {
  const { mesh, starts, stopping } = orchestrator;
  const known = mesh.current().services.get(service)?.versions.get(version);
  const isKnown = starts.get(id) !== undefined || stopping.has(id);
  if (known === undefined || isKnown || known.instances.some((one) => one.id === id)) return;
  const start = { target: { service, version, generation }, host, why: placed };
  if (state === InstanceState.STARTING) startInstance(orchestrator, start, known, token, id);
  // What serves on a host that is lost was taken out of the catalog.
  const isLost = isGone(mesh.hosts().find((one) => one.host === host));
  if (state === InstanceState.SERVING && !retiring && !isLost)
    starts.add({ instanceId: id, ...start, address, servingSinceMs: steadyMs() });
}
