import { versionKey } from "../../registry/target.ts";
import type { Advice, AdvisedVersion, Adviser } from "../adviser.ts";
import { Autoscaler, type Wanted } from "./autoscaler.ts";
import { policyOf } from "./policy.ts";
import { RecordedLoads } from "./recorded.ts";
import type { Sample } from "./sample.ts";

/** Load is reported each second. */
const LOOK_AGAIN_MS = 1_000;
/** Most versions that are followed; those that were used the longest ago go first. */
const MOST_VERSIONS = 500;

interface Followed {
  readonly scaler: Autoscaler;
  manifest: AdvisedVersion["state"]["manifest"];
  recordedMs: number;
  wanted: Wanted | undefined;
}

/** What is known of a version's load. */
export interface FollowedLoad {
  readonly samples: readonly Sample[];
  /** What the load needed when it was asked last; undefined: never. */
  readonly wanted: Wanted | undefined;
}

/** Says how many instances the load of each version needs, and remembers the load for simulations. */
export class ScalingAdviser implements Adviser {
  /** By version; the one that was used the longest ago first. */
  readonly #followed = new Map<string, Followed>();
  readonly #recorded: RecordedLoads;
  readonly #isSeen: (instanceId: string) => boolean;

  /**
   * @param recorded Where the load is kept. Default: in memory.
   * @param isSeen Whether an agent says that the instance runs. Default: of each.
   */
  constructor(recorded = new RecordedLoads(), isSeen: (instanceId: string) => boolean = () => true) {
    this.#recorded = recorded;
    this.#isSeen = isSeen;
  }

  advise(version: AdvisedVersion, nowMs: number): Advice {
    const key = versionKey(version);
    const { state, load, starting } = version;
    const { generation } = state.activation;
    const serving = state.instances.filter(
      (instance) => instance.generation === generation && !instance.draining,
    );
    const have = serving.length + starting;
    const inProgress = load.inProgress - onRetiring(version);
    const known = this.#followed.get(key);
    if (known === undefined && have === 0 && inProgress === 0) return {};
    const followed = known ?? this.#follow(key, state.manifest);
    if (followed.manifest !== state.manifest) {
      followed.manifest = state.manifest;
      followed.scaler.setPolicy(policyOf(state.manifest));
    }
    if (load.reportedMs > 0 && load.reportedMs !== followed.recordedMs) {
      followed.recordedMs = load.reportedMs;
      followed.scaler.observe(inProgress, load.reportedMs);
      const recorded = { inProgress: load.inProgress, issued: load.issued, instances: have };
      this.#recorded.add(version, recorded, load.reportedMs);
      if (load.inProgress + load.issued > 0) this.#use(key, followed);
    }
    const isSure = serving.every(({ id }) => this.#isSeen(id));
    followed.wanted = followed.scaler.wanted(have, nowMs, isSure);
    const { instances, unsettled } = followed.wanted;
    return { desired: instances, ...(unsettled && { lookAgainMs: nowMs + LOOK_AGAIN_MS }) };
  }

  /** What is known of a version's load, whoever led; nothing of one that had none for long. */
  load(service: string, version: string): FollowedLoad {
    const followed = this.#followed.get(versionKey({ service, version }));
    return { samples: this.#recorded.of({ service, version }), wanted: followed?.wanted };
  }

  #follow(key: string, manifest: Followed["manifest"]): Followed {
    const scaler = new Autoscaler(policyOf(manifest));
    const followed: Followed = { scaler, manifest, recordedMs: 0, wanted: undefined };
    this.#use(key, followed);
    return followed;
  }

  #use(key: string, followed: Followed): void {
    this.#followed.delete(key);
    this.#followed.set(key, followed);
    if (this.#followed.size <= MOST_VERSIONS) return;
    const [oldest] = this.#followed.keys();
    if (oldest !== undefined) this.#followed.delete(oldest);
  }
}

/** Calls that go on where no new ones come: they need nobody else. */
function onRetiring({ state, load }: AdvisedVersion): number {
  let sum = 0;
  for (const { draining, address } of state.instances)
    if (draining) sum += load.endpoints.get(address)?.inProgress ?? 0;
  return sum;
}
