import type { Logger } from "pino";
import type { ConsulClient } from "../../registry/consul.ts";
import { writeVersionHealth } from "../../registry/health-record.ts";
import { updateHostRecord } from "../../registry/host-record.ts";
import { type HostState, isGone } from "../../registry/hosts.ts";
import { versionKey } from "../../registry/target.ts";
import { steadyMs } from "../../sdk/steady.ts";
import { STABLE_MS } from "../execute.ts";
import type { Orchestrator } from "../orchestrator.ts";
import { AgentStreams } from "./agent-streams.ts";
import { HostKeeper } from "./host-keeper.ts";
import { HealthKeeper } from "./keeper.ts";
import { INSTANCE_LIMITS } from "./machine.ts";
import { Outcomes } from "./outcomes.ts";

/** Health and quarantine of one orchestrator. */
export class OrchestratorHealth {
  readonly outcomes = new Outcomes();
  readonly instances: HealthKeeper;
  readonly hosts: HostKeeper;
  #streams: AgentStreams | undefined;
  #orchestrator: Orchestrator | undefined;
  readonly #log: Logger;

  /** @param limits How long instances are kept from calls. Default: {@link INSTANCE_LIMITS}. */
  constructor(consul: ConsulClient, log: Logger, limits = INSTANCE_LIMITS) {
    this.#log = log;
    const token = () => this.#orchestrator?.token;
    this.instances = new HealthKeeper({
      log,
      limits,
      token,
      write: (service, version, health) => writeVersionHealth(consul, service, version, health),
      evaluate: (service, version) => this.#orchestrator?.evaluate(service, version),
      isStopping: (id) => this.#orchestrator?.stopping.has(id) === true,
      ended: (version, host, livedMs, left) => this.#ended(version, host, livedMs, left),
      decided: (kind, { service, version }, instance, host, reason) =>
        this.#orchestrator?.decisions.add({ kind, service, version, instance, host, reason }),
      quarantined: (version, host, reason) =>
        this.outcomes.note({
          version: versionKey(version),
          host,
          failed: true,
          reason,
          atMs: steadyMs(),
        }),
    });
    this.hosts = new HostKeeper({
      log,
      outcomes: this.outcomes,
      token,
      hosts: () => this.#orchestrator?.mesh.hosts() ?? [],
      write: async (host, health) => {
        await updateHostRecord(consul, host, ({ health: _before, ...record }) =>
          health === undefined ? record : { ...record, health },
        );
      },
    });
  }

  /** Where others serve, nobody's calls are held for the next one: it may wait, so that it does not end again and again. */
  #ended(version: { service: string; version: string }, host: string, livedMs: number, left: number): void {
    const orchestrator = this.#orchestrator;
    if (orchestrator === undefined) return;
    const where = orchestrator.mesh.hosts().find((one) => one.host === host);
    if (!endedBadly(livedMs, left, where)) return;
    const key = versionKey(version);
    const atMs = steadyMs();
    const reason = "it ended soon after it began to serve";
    this.outcomes.note({ version: key, host, failed: true, reason, atMs });
    const waitMs = orchestrator.setbacks.note(version, atMs);
    this.#log.warn({ version: key, host, livedMs, waitMs }, "an instance ended soon after it began to serve");
  }

  /** To be called once, with the orchestrator that this adviser advises. */
  attach(orchestrator: Orchestrator): void {
    this.#orchestrator = orchestrator;
  }

  /** It leads now, or the hosts have changed: follows the agents. */
  sync(): void {
    const orchestrator = this.#orchestrator;
    if (orchestrator?.token === undefined) return;
    if (this.#streams === undefined) {
      const { agents, placer } = orchestrator;
      const news = { jobs: placer.noteJobs.bind(placer), held: placer.setPrepared.bind(placer) };
      this.#streams = new AgentStreams(agents, this.instances, news, this.#log);
      this.hosts.lead();
    }
    this.#streams.follow(orchestrator.mesh.hosts());
  }

  /** Another leads. */
  reset(): void {
    this.#streams?.close();
    this.#streams = undefined;
    this.instances.reset();
    this.hosts.reset();
    this.outcomes.clear();
  }
}

/**
 * Whether the end of an instance that nobody stopped speaks against its version and its host. What is listed no more as its host is
 * gone does not: a new leader may have met it a moment ago only. Pure.
 *
 * @param livedMs Since it was first seen, ms.
 * @param left So many others of its version there are.
 * @param host Where it ran; undefined: it is not known any more.
 */
export function endedBadly(livedMs: number, left: number, host: HostState | undefined): boolean {
  return livedMs < STABLE_MS && left > 0 && !isGone(host);
}
