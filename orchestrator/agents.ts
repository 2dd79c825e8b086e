import { credentials } from "@grpc/grpc-js";
import { AgentClient, type InstanceSpec } from "#proto/rouse/agent/v1/agent.ts";
import type { VersionState } from "../registry/state.ts";
import { workersEnvironment } from "../registry/workers.ts";

/** One client per agent address, kept while the address is in use. */
export class Agents {
  readonly #clients = new Map<string, AgentClient>();

  at(address: string): AgentClient {
    let client = this.#clients.get(address);
    if (client === undefined) {
      client = new AgentClient(address, credentials.createInsecure(), {
        // An agent that restarts on the same address must be seen at once.
        "grpc.initial_reconnect_backoff_ms": 100,
        "grpc.max_reconnect_backoff_ms": 1_000,
        // A host that was cut off leaves connections that lead nowhere.
        "grpc.keepalive_time_ms": 5_000,
        "grpc.keepalive_timeout_ms": 3_000,
      });
      this.#clients.set(address, client);
    }
    return client;
  }

  /** Ends all calls to an agent that is not there any more; the next one makes a new connection. */
  drop(address: string): void {
    this.#clients.get(address)?.close();
    this.#clients.delete(address);
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }
}

/** What an agent needs to know to run a version. */
export function instanceSpec(state: VersionState): InstanceSpec {
  const { manifest, deployment } = state;
  const { artifact } = deployment;
  return {
    service: manifest.service,
    version: manifest.version,
    bundle: artifact.kind === "bundle" ? artifact.digest : "",
    image: artifact.kind === "image" ? artifact.name : "",
    imagePort: artifact.kind === "image" ? artifact.port : 0,
    imageCommand: artifact.kind === "image" ? [...artifact.command] : [],
    cpu: manifest.resources.cpu,
    memoryBytes: manifest.resources.memory,
    gpu: manifest.resources.gpu,
    labels: { ...manifest.resources.labels },
    env: { ...deployment.env, ...workersEnvironment(manifest) },
    mounts: deployment.mounts.map(({ source, target }) => ({ source, target })),
    startTimeoutMs: manifest.startTimeoutMs,
    ...(manifest.workers?.pinCores === true && { pinCores: true }),
  };
}
