import type { Server } from "@grpc/grpc-js";
import type { Logger } from "pino";
import { updateActivation } from "../registry/activation.ts";
import type { ConsulClient } from "../registry/consul.ts";
import type { ControlPlane } from "../registry/control-planes.ts";
import { watchHosts } from "../registry/hosts.ts";
import { campaign, type Leader, readLeader } from "../registry/leader.ts";
import type { MeshState } from "../registry/state.ts";
import { steadyMs } from "../sdk/steady.ts";
import { Copies } from "./copies.ts";
import { OrchestratorHealth } from "./health/health.ts";
import type { Limits } from "./health/machine.ts";
import { addHealthService } from "./health/service.ts";
import { HostsAdviser } from "./hosts/adviser.ts";
import { HostDeaths } from "./hosts/deaths.ts";
import { Orchestrator } from "./orchestrator.ts";
import { Preparer } from "./prepare.ts";
import { ScalingAdviser } from "./scaling/adviser.ts";
import { LoadKeeper } from "./scaling/load-keeper.ts";
import { openRecordedLoads } from "./scaling/recorded.ts";
import { addScalingService } from "./scaling/service.ts";
import { addOrchestratorService } from "./service.ts";
import { takeOver } from "./take-over.ts";
import { WorkersAdviser } from "./workers.ts";

/** KV key of the lock whose holder places instances; mesh-configs find the leader there. */
export const LEADER_KEY = "rouse/leader/orchestrator";

/** Consul answers within milliseconds; one that hangs is not waited for, ms. */
const CONSUL_MS = 2_000;

export interface OrchestratorDeps {
  /** Stable over restarts and different from all others. */
  readonly id: string;
  readonly consul: ConsulClient;
  /** The newest complete state of the mesh; call {@link RunningOrchestrator.meshChanged} when it changes. */
  readonly mesh: () => MeshState;
  readonly controlPlanes: () => readonly ControlPlane[];
  /** "host:port" of the leading orchestrator, as far as it is known. */
  readonly leader: () => string | undefined;
  /** How long instances that are not well are kept from calls. Default: {@link INSTANCE_LIMITS}. */
  readonly healthLimits?: Limits;
  /** File that keeps the recorded load of versions; undefined: it ends with the process. */
  readonly loadsFile?: string;
  readonly log: Logger;
}

export interface RunningOrchestrator {
  /**
   * Stands for election under the address at which the server can be reached.
   *
   * @param meta What Consul tells others of this control plane.
   */
  campaign(address: string, meta: Readonly<Record<string, string>>): Promise<void>;
  meshChanged(): void;
  close(): Promise<void>;
}

/** Adds an orchestrator to a server; it acts while it holds the leader's lock. */
export function addOrchestrator(server: Server, deps: OrchestratorDeps): RunningOrchestrator {
  const { consul, log, id } = deps;
  const hosts = watchHosts(consul, {
    log,
    onChange: () => {
      health.sync();
      deaths.look();
      orchestrator.evaluateAll();
      preparer.kick();
      copies.kick();
    },
  });
  let elected: Leader | undefined;
  const recorded = openRecordedLoads(deps.loadsFile, steadyMs(), log.child({ part: "scaling" }));
  const health = new OrchestratorHealth(consul, log.child({ part: "health" }), deps.healthLimits);
  const scaling = new ScalingAdviser(recorded, (id) => health.instances.sees(id));
  const orchestrator = new Orchestrator({
    id,
    log,
    advisers: [scaling, new HostsAdviser(() => hosts.current()), new WorkersAdviser(), health.instances],
    outcomes: health.outcomes,
    mesh: {
      current: deps.mesh,
      controlPlanes: deps.controlPlanes,
      leader: deps.leader,
      leads: async () => {
        const said = readLeader(consul, LEADER_KEY, CONSUL_MS).catch(() => undefined);
        return elected !== undefined && (await said)?.token === elected.token;
      },
      hosts: () => [...hosts.current().values()],
      updateActivation: (service, version, change) =>
        updateActivation(
          consul,
          service,
          version,
          change,
          elected && { key: LEADER_KEY, session: elected.session },
        ),
    },
  });
  health.attach(orchestrator);
  const preparer = new Preparer(orchestrator);
  const copies = new Copies(orchestrator);
  const deaths = new HostDeaths(orchestrator, consul);
  const changed = () => {
    orchestrator.evaluateChanged();
    preparer.kick();
    copies.kick();
  };
  addOrchestratorService(server, orchestrator, consul, health.instances);
  addHealthService(server, orchestrator, health);
  addScalingService(server, orchestrator, scaling, recorded);
  const leads = () => orchestrator.token !== undefined;
  const loads = new LoadKeeper({ recorded, leads, leader: deps.leader, log });
  let election: ReturnType<typeof campaign> | undefined;
  return {
    async campaign(address, meta) {
      await hosts.ready;
      election = campaign(consul, {
        key: LEADER_KEY,
        id,
        address,
        meta,
        log,
        onElected: (leader) => {
          elected = leader;
          const outgrow = (known: number) =>
            void election
              ?.outgrow(known)
              .catch((err) => log.warn({ err, known }, "an agent knows a newer leader than Consul does"));
          void takeOver(orchestrator, leader.token, () => elected === leader, outgrow).then(() => {
            health.sync();
            deaths.look();
            preparer.kick();
            copies.reset();
            copies.kick();
          });
        },
        onLost: () => {
          elected = undefined;
          orchestrator.follow();
          health.reset();
        },
      });
    },
    meshChanged: changed,
    async close() {
      health.reset();
      deaths.close();
      orchestrator.close();
      await election?.close();
      hosts.close();
      await loads.close();
    },
  };
}
