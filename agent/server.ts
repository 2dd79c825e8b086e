import { hostname } from "node:os";
import { ConsulClient } from "../registry/consul.ts";
import { registerHost } from "../registry/hosts.ts";
import { makeLog } from "../sdk/log.ts";
import { Agent } from "./agent.ts";
import { serveAgent } from "./api.ts";
import { BundleSources } from "./artifacts/bundle-sources.ts";
import { Bundles } from "./artifacts/bundles.ts";
import { Copies } from "./artifacts/copies.ts";
import { Holdings } from "./artifacts/holdings.ts";
import { bundlePlaces } from "./artifacts/places.ts";
import { Capacity } from "./capacity.ts";
import { Guardian } from "./control-planes/guardian.ts";
import { Fencing } from "./fencing.ts";
import { makeFolders } from "./folders.ts";
import { followOutliers } from "./health/outliers.ts";
import { InstanceVitals } from "./health/vitals.ts";
import { capacityHook } from "./hooks/capacity-hook.ts";
import { logHook } from "./hooks/log-hook.ts";
import { pinHook } from "./hooks/pin-hook.ts";
import { recordHook } from "./hooks/record-hook.ts";
import { registrationHook } from "./hooks/registration-hook.ts";
import { vitalsHook } from "./hooks/vitals-hook.ts";
import { ArtifactClient } from "./jobs/artifact-client.ts";
import { JobsDeadline } from "./jobs/deadline.ts";
import { Jobs } from "./jobs/jobs.ts";
import { whereOrdersAre } from "./jobs/orders.ts";
import { JobRecords } from "./jobs/records.ts";
import { LogShipper } from "./logs/shipper.ts";
import type { AgentOptions } from "./options.ts";
import { Prepared } from "./prepared.ts";
import { NotifySocket } from "./readiness/notify.ts";
import { RecordFolder } from "./record.ts";
import { Registrations } from "./registrations.ts";
import { chooseRuntime, processOptions } from "./runtimes/choose.ts";
import { endLeftovers } from "./runtimes/leftovers.ts";
import { Settlement } from "./settlement.ts";
import { CallerWatch } from "./standby/caller-watch.ts";
import { PressureWatch } from "./standby/pressure-watch.ts";

export type { AgentOptions } from "./options.ts";

/** A running agent. */
export interface RunningAgent {
  /** "host:port". */
  readonly address: string;
  /** Such as "docker". */
  readonly runtime: string;
  /** Why this runtime. */
  readonly runtimeReason: string;
  /**
   * Ends the agent. Instances go on without it (but those of the in-process runtime), and the next agent with the same
   * data folder adopts them; with `stopInstances` they are drained and stopped first, and nothing is left. Jobs are dealt with
   * alike. Does nothing the second time.
   */
  close(options?: { readonly stopInstances?: boolean }): Promise<void>;
}

/**
 * Starts this host's agent: adopts what a former one left running, announces the host in Consul and offers
 * rouse.agent.v1.Agent.
 *
 * @throws RouseError FAILED_PRECONDITION AGENT_RUNNING, ENGINE_MISSING, ADDRESS_IN_USE; INVALID_ARGUMENT for options.
 */
export async function startAgent(options: AgentOptions): Promise<RunningAgent> {
  const log = options.log ?? makeLog("agent", 1);
  const host = options.host || hostname();
  const folders = makeFolders(options.dataDir);
  const notify = await NotifySocket.open(folders.notifySocket, log);
  const consul = new ConsulClient({ address: options.consul });
  const sources = new BundleSources(options.registry, (digest) => bundlePlaces(consul, host, digest));
  const holdings = new Holdings();
  const bundles = new Bundles(folders.bundles, sources, holdings);
  const closers: (() => Promise<void> | void)[] = [() => notify.close(), () => consul.close()];
  const closeAll = async () => {
    for (const close of closers.reverse()) await close();
  };
  try {
    const records = new RecordFolder(folders.instances);
    closers.push(() => records.close());
    const former = records.load();
    const adopts = former.some((record) => record.runtime === "docker" && record.endedAtMs === 0);
    const { runtime, reason } = await chooseRuntime(options, folders, bundles, log, adopts);
    closers.push(() => runtime.close());
    await endLeftovers(
      runtime.name,
      former,
      processOptions(options, folders, bundles),
      options.dockerHost,
      log,
    );
    const prepared = new Prepared(folders.prepared);
    const { cpu, memoryBytes, gpu, labels = {}, zone = "", costPerHour = 0, speed = 1 } = options;
    const capacity = new Capacity(host, { cpu, memoryBytes, gpu });
    const registrations = new Registrations(consul, host, log);
    closers.push(() => registrations.close());
    const vitals = new InstanceVitals();
    closers.push(() => vitals.close());
    notify.onSpeaker = (instance) => vitals.expectWords(instance);
    notify.onVitals = (instance, said) => vitals.heard(instance, said);
    const outliers = followOutliers(options.dataDir, log);
    closers.push(() => outliers.close());
    const jobs = new Jobs({
      sandboxes: runtime.jobs,
      reason: `its runtime is ${runtime.name} (${reason})`,
      records: new JobRecords(folders.agent),
      artifacts: new ArtifactClient(() => whereOrdersAre(consul)),
      capacity,
      costPerHour,
      makeRoom: (spec) => agent.evictions.makeRoom(spec),
      log: log.child({ part: "jobs" }),
    });
    closers.push(() => jobs.close());
    const agent: Agent = new Agent({
      runtime,
      jobs,
      folders,
      notify,
      records,
      bundles,
      copies: new Copies(folders.copies),
      prepared,
      holdings,
      capacity,
      hooks: [
        recordHook(records),
        logHook(log),
        capacityHook(capacity),
        pinHook(log),
        registrationHook(registrations, { host, zone, speed }),
        vitalsHook(vitals),
      ],
      keepEndedMs: options.keepEndedMs ?? 3_600_000,
      maxLogBytes: options.maxLogBytes ?? 10 * 2 ** 20,
      log,
    });
    closers.push(() => agent.close());
    await agent.recover();
    registrations.start();
    const fencing = new Fencing(folders.fencing);
    const deadline = new JobsDeadline((why) => jobs.stopAll(why), log);
    const settlement = new Settlement(consul, host, agent, fencing, (mode) => deadline.follow(mode), log);
    settlement.start();
    closers.push(() => {
      settlement.close();
      deadline.close();
    });
    const { server, address } = await serveAgent(options.listen ?? "127.0.0.1:8073", {
      agent,
      bundles,
      fencing,
      settlement,
      capacity,
      vitals,
      outliers: outliers.known,
      holdings,
      runtime,
      runtimeReason: reason,
      jobs,
    });
    closers.push(() => server.forceShutdown());
    const announced = announceHost(
      consul,
      { host, address, runtime: runtime.name, ...capacity.total, labels, zone, costPerHour, speed },
      log,
    );
    closers.push(() => announced.close());
    const pressure = new PressureWatch(agent.evictions, options.keepFreeBytes, log);
    pressure.start();
    closers.push(() => pressure.close());
    const callers = new CallerWatch(() => agent.evictions.standbys, log);
    callers.start();
    closers.push(() => callers.close());
    const shipper = new LogShipper(agent, options.registry, host, log);
    shipper.start();
    closers.push(() => shipper.close());
    const { bind = "127.0.0.1", dataDir } = options;
    const guardian = new Guardian({ host, address, bind, consul, dataDir, log });
    closers.push(() => guardian.close());
    void agent.prepareAgain();
    log.info({ address, runtime: runtime.name, reason, unenforced: runtime.unenforced }, "agent serves");
    let closed = false;
    return {
      address,
      runtime: runtime.name,
      runtimeReason: reason,
      async close({ stopInstances = false } = {}) {
        if (closed) return;
        closed = true;
        // It would start what is stopped.
        await guardian.close();
        await announced.close();
        if (stopInstances || runtime.name === "in-process") await agent.stopAll("the agent stops");
        await closeAll();
      },
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/** Announces the host, however long Consul may be away at first. */
function announceHost(
  consul: ConsulClient,
  host: Parameters<typeof registerHost>[1],
  log: Parameters<typeof registerHost>[2] & {},
): { close(): Promise<void> } {
  const retryMs = 1_000;
  let closed = false;
  let told = false;
  let timer: NodeJS.Timeout | undefined;
  let registered: { close(): Promise<void> } | undefined;
  const attempt = async (): Promise<void> => {
    try {
      registered = await registerHost(consul, host, log);
      if (closed) await registered.close();
    } catch (err) {
      if (closed) return;
      if (!told)
        log.warn({ err, everyMs: retryMs }, "this host is not in Consul yet; it is tried until it is");
      told = true;
      timer = setTimeout(() => {
        trying = attempt();
      }, retryMs);
    }
  };
  let trying = attempt();
  return {
    async close() {
      if (closed) return;
      closed = true;
      clearTimeout(timer);
      await trying;
      await registered
        ?.close()
        .catch((err) => log.warn({ err }, "this host stays in Consul until its check fails"));
    },
  };
}
