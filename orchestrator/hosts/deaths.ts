import { setTimeout as sleep } from "node:timers/promises";
import type { ConsulClient } from "../../registry/consul.ts";
import { updateHostRecord } from "../../registry/host-record.ts";
import type { HostState } from "../../registry/hosts.ts";
import { forgetInstances } from "../../registry/instances.ts";
import { unary } from "../../sdk/grpc.ts";
import type { Orchestrator } from "../orchestrator.ts";

/** How long the agent of a host that gossip calls dead may take to contradict, ms. */
const ASK_MS = 700;
/** So often it is tried to take a dead host's instances out of the catalog. */
const MOST_TRIES = 20;
/** Between two questions to an agent that does answer: only its Consul is gone, ms. */
const PAUSE_MS = 500;

/**
 * Declares hosts dead, while its orchestrator leads: those that Consul's gossip has given up and whose agent does not answer
 * either. So neither an agent that restarts nor a Consul that does is taken for a dead host.
 *
 * The declaration is a record in Consul (registry/host-record.ts). Until the host's agent has seen it, stopped what was replaced
 * elsewhere and taken it away, nothing is placed there: leader and agent agree on what is an orphan by that one key.
 */
export class HostDeaths {
  readonly #orchestrator: Orchestrator;
  readonly #consul: ConsulClient;
  readonly #examined = new Set<string>();
  readonly #lost = new Set<string>();
  readonly #closing = new AbortController();

  constructor(orchestrator: Orchestrator, consul: ConsulClient) {
    this.#orchestrator = orchestrator;
    this.#consul = consul;
  }

  /** To be called when the hosts have changed, and when this orchestrator begins to lead. */
  look(): void {
    if (this.#orchestrator.token === undefined) return;
    for (const { host, lost, reachable } of this.#orchestrator.mesh.hosts()) {
      if (lost !== undefined) this.#lost.add(host);
      else if (this.#lost.delete(host)) {
        this.#orchestrator.log.warn({ host }, "host is back, and has stopped what was replaced");
        this.#orchestrator.decisions.add({
          kind: "host-back",
          host,
          reason: "it has stopped what was replaced",
        });
      }
      if (reachable || lost !== undefined || this.#examined.has(host)) continue;
      this.#examined.add(host);
      void this.#examine(host)
        .catch((err) => this.#orchestrator.log.error({ err, host }, "a dead host cannot be declared so"))
        .finally(() => this.#examined.delete(host));
    }
  }

  close(): void {
    this.#closing.abort();
  }

  async #examine(name: string): Promise<void> {
    const { log } = this.#orchestrator;
    let told = false;
    while (!this.#closing.signal.aborted) {
      const host = this.#suspect(name);
      const { token } = this.#orchestrator;
      if (host === undefined || token === undefined) return;
      try {
        await unary(this.#orchestrator.agents.at(host.address), "getStatus", {}, { deadlineMs: ASK_MS });
        if (!told)
          log.warn({ host: name }, "Consul does not reach this host, but its agent answers: it goes on");
        told = true;
      } catch {
        if (this.#suspect(name) !== undefined) return await this.#declare(host, token);
      }
      await sleep(PAUSE_MS, undefined, { signal: this.#closing.signal }).catch(() => undefined);
    }
  }

  #suspect(name: string): HostState | undefined {
    const host = this.#orchestrator.mesh.hosts().find((one) => one.host === name);
    return host === undefined || host.reachable || host.lost !== undefined ? undefined : host;
  }

  async #declare({ host, address }: HostState, token: number): Promise<void> {
    const { mesh, starts, agents, log, decisions } = this.#orchestrator;
    const begun = [...starts.all()].filter((start) => start.host === host);
    const instances = new Set(begun.map(({ instanceId }) => instanceId));
    for (const { versions } of mesh.current().services.values())
      for (const version of versions.values())
        for (const instance of version.instances) if (instance.host === host) instances.add(instance.id);
    const lost = { atMs: Date.now(), token, instances: [...instances].sort() };
    await updateHostRecord(this.#consul, host, (record) =>
      record.lost === undefined ? { ...record, lost } : record,
    );
    this.#lost.add(host);
    log.error({ host, instances: lost.instances }, "host is dead: its instances are replaced elsewhere");
    const count = `${instances.size} ${instances.size === 1 ? "instance" : "instances"}`;
    decisions.add({ kind: "host-lost", host, reason: `it does not answer; ${count} to replace` });
    // Whoever waits for its agent waits in vain.
    for (const { instanceId } of begun) starts.remove(instanceId);
    agents.drop(address);
    this.#orchestrator.evaluateAll();
    await this.#forget(host);
  }

  /** Takes what ran there out of the catalog, so that Envoys send no more calls there. */
  async #forget(host: string): Promise<void> {
    for (let tries = 1; !this.#closing.signal.aborted; tries++) {
      try {
        return await forgetInstances(this.#consul, host);
      } catch (err) {
        const { log } = this.#orchestrator;
        if (tries === MOST_TRIES)
          return log.error({ err, host }, "instances of a dead host stay listed until it is back");
        await sleep(PAUSE_MS, undefined, { signal: this.#closing.signal }).catch(() => undefined);
      }
    }
  }
}
