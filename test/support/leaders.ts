import { AgentClient, type Instance } from "#proto/rouse/agent/v1/agent.ts";
import { type ControlPlane, OrchestratorClient } from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import { withClient } from "../../cli/connect.ts";
import { ORCHESTRATOR_KEY } from "../../registry/keys.ts";
import { unary } from "../../sdk/grpc.ts";
import type { TestHost, TestHosts } from "./hosts.ts";
import { until } from "./live.ts";

/** What the first control plane that answers tells of all of them; none when none does. */
export async function controlPlanes(hosts: TestHosts): Promise<readonly ControlPlane[]> {
  for (const { control } of hosts.all) {
    const asked = withClient(OrchestratorClient, control, (api) =>
      unary(api, "getStatus", {}, { deadlineMs: 1_000 }),
    );
    const status = await asked.catch(() => undefined);
    if (status !== undefined) return status.controlPlanes;
  }
  return [];
}

/** Whether each of so many hosts has its own control plane, and nobody stands in for another. */
export async function allWell(hosts: TestHosts, count: number): Promise<boolean> {
  const planes = await controlPlanes(hosts);
  return (
    planes.length === count &&
    planes.every(({ healthy, id, slot }) => healthy && id === slot) &&
    planes.some(({ leading }) => leading)
  );
}

/** Whether the control plane of such a host leads, as far as the first one knows that answers. */
export async function leads(hosts: TestHosts, wanted: (host: string) => boolean): Promise<boolean> {
  return (await controlPlanes(hosts)).some(({ leading, host }) => leading && wanted(host));
}

/** Has a host's control plane lead, by taking the lead from whichever else has it. */
export async function letLead(hosts: TestHosts, name: string): Promise<TestHost> {
  const { consul, fetch, run } = hosts.of("h1");
  const key = `http://${consul}/v1/kv/${ORCHESTRATOR_KEY}`;
  await until(`${name} leads`, async () => {
    if (await leads(hosts, (host) => host === name)) return true;
    const [item] = JSON.parse(await fetch(key)) as [{ Session?: string }?];
    const end = `fetch("http://${consul}/v1/session/destroy/${item?.Session}", { method: "PUT" })`;
    if (item?.Session !== undefined) await run(process.execPath, "-e", end);
    return false;
  });
  return hosts.of(name);
}

/** All instances of a version that a host's agent remembers, those that have ended as well. */
export async function instancesOf({ agent }: TestHost, version: string): Promise<Instance[]> {
  const { instances } = await withClient(AgentClient, agent, (api) => unary(api, "listInstances", {}));
  return instances.filter((one) => one.version === version);
}

/** Ids of all instances of a version that were ever started on these hosts. */
export async function everStarted(hosts: readonly TestHost[], version: string): Promise<Set<string>> {
  const all = await Promise.all(hosts.map((host) => instancesOf(host, version)));
  return new Set(all.flat().map(({ id }) => id));
}
