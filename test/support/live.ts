import { setTimeout as sleep } from "node:timers/promises";
import { AgentClient, InstanceState } from "#proto/rouse/agent/v1/agent.ts";
import { RegistryClient, type Version } from "#proto/rouse/registry/v1/registry.ts";
import { withClient } from "../../cli/connect.ts";
import { unary } from "../../sdk/grpc.ts";
import type { TestMesh } from "./mesh.ts";

/** The versions of a service as the registry tells them now. */
export async function liveVersions(mesh: Pick<TestMesh, "registry">, service: string): Promise<Version[]> {
  return withClient(RegistryClient, mesh.registry, async (client) => {
    const { services } = await unary(client, "listServices", { service });
    return services.flatMap(({ versions }) => versions);
  });
}

/** Ids of all instances of a service that are registered now. */
export async function runningInstances(mesh: TestMesh, service: string): Promise<string[]> {
  return (await liveVersions(mesh, service)).flatMap(({ instances }) => instances.map(({ id }) => id));
}

/** Resolves when the check holds; fails loudly when it never does. */
export async function until(what: string, check: () => Promise<boolean>, limitMs = 60_000): Promise<void> {
  const end = Date.now() + limitMs;
  while (!(await check())) {
    if (Date.now() > end) throw new Error(`waited ${limitMs} ms in vain: ${what}`);
    await sleep(50);
  }
}

/** Resolves when no instance of the service is left, neither in Consul nor at the agent, which knows of one first. */
export function untilCold(mesh: TestMesh, service: string): Promise<void> {
  return until(`${service} goes cold`, async () => {
    const { instances } = await withClient(AgentClient, mesh.agent, (agent) =>
      unary(agent, "listInstances", {}),
    );
    const alive = instances.some((instance) => instance.service === service && !ENDED.has(instance.state));
    return !alive && (await runningInstances(mesh, service)).length === 0;
  });
}

const ENDED = new Set<string>([InstanceState.STOPPED, InstanceState.FAILED]);
