import type { InstanceHealth, LeftOut } from "#proto/rouse/agent/v1/agent.ts";
import type { Condition, HealthRecord } from "../../registry/health-record.ts";
import type { InstanceState } from "../../registry/state.ts";
import { versionKey } from "../../registry/target.ts";
import type { Advice, AdvisedVersion, Adviser, Leaving } from "../adviser.ts";
import { assess, CallWindow } from "./assess.ts";
import { doubtful, type Ejection, Ejections } from "./ejections.ts";
import { Endings } from "./endings.ts";
import { Faults } from "./faults.ts";
import {
  canSpare,
  condemned,
  healthy,
  INSTANCE_LIMITS,
  type Limits,
  nextChangeMs,
  step,
  takenOver,
  type Verdict,
} from "./machine.ts";
import { HealthWriter, type HealthWriterDeps, type Version } from "./writer.ts";

interface Known extends Version {
  readonly host: string;
  readonly address: string;
  /** When it was first seen, ms since 1970. */
  readonly metMs: number;
  record: HealthRecord;
  /** What Envoys left out before then counts no longer, ms since 1970. */
  forgivenMs: number;
  /** Until when an Envoy leaves it out at the longest, ms since 1970; Infinity: none does. */
  leftOutUntilMs: number;
  readonly calls: CallWindow;
  /** Its end is wanted. */
  isGoing: boolean;
}

export interface HealthKeeperDeps extends HealthWriterDeps {
  /** Default: {@link INSTANCE_LIMITS}. */
  readonly limits?: Limits;
  /** Whether the instance is being stopped. */
  readonly isStopping: (id: string) => boolean;
  /** Told what the instance is from now on, and why. */
  readonly decided: (
    condition: Condition,
    version: Version,
    id: string,
    host: string,
    reason: string,
  ) => void;
  /** Told when an instance was quarantined. */
  readonly quarantined: (version: Version, host: string, reason: string) => void;
  /** Told when an instance ended that nobody stopped, how long after it was first seen, and how many others are left. */
  readonly ended: (version: Version, host: string, livedMs: number, left: number) => void;
}

/** What speaks against an instance. */
export interface Doubts {
  /** undefined: nothing is known of it. */
  readonly record: HealthRecord | undefined;
  readonly ejections: readonly Ejection[];
}

const NOBODY: ReadonlySet<string> = new Set();

/**
 * Keeps the health of all instances: joins what agents and Envoys say, steps the state machine of each, and tells the plan who
 * counts no longer and who shall go. Works only on what changed; a healthy version that nothing is said of costs nothing.
 */
export class HealthKeeper implements Adviser {
  readonly #deps: HealthKeeperDeps;
  readonly #limits: Limits;
  readonly #known = new Map<string, Known>();
  readonly #ejections = new Ejections();
  readonly #vitals = new Map<string, { readonly host: string; health: InstanceHealth }>();
  readonly #byVersion = new Map<string, ReadonlySet<string>>();
  readonly #endings: Endings;
  readonly #faults: Faults;
  readonly #writer: HealthWriter;

  constructor(deps: HealthKeeperDeps) {
    this.#deps = deps;
    this.#limits = deps.limits ?? INSTANCE_LIMITS;
    this.#endings = new Endings(({ version, host, livedMs, left }) =>
      deps.ended(version, host, livedMs, left),
    );
    this.#faults = new Faults(deps.log);
    this.#writer = new HealthWriter(deps);
  }

  /** Takes what the agent of a host says of its Envoy, which leaves out instances on any host. */
  heardOfEnvoy(host: string, leftOut: readonly LeftOut[], nowMs: number): void {
    const touched = this.#ejections.heard(host, leftOut, nowMs);
    for (const { service, version } of new Map(touched.map((one) => [versionKey(one), one])).values())
      if (this.#byVersion.has(versionKey({ service, version }))) this.#deps.evaluate(service, version);
  }

  /** Takes what the agent of a host says of its instances. */
  heard(host: string, instances: readonly InstanceHealth[]): void {
    const touched = new Map<string, Version>();
    for (const health of instances) {
      const { instanceId: id } = health;
      if (health.ended) {
        this.#vitals.delete(id);
        this.#endings.said(id);
      } else this.#vitals.set(id, { host, health });
      const known = this.#known.get(id);
      if (known !== undefined) touched.set(versionKey(known), known);
    }
    for (const { service, version } of touched.values()) this.#deps.evaluate(service, version);
  }

  /** The agent of a host says nothing any more: what it said of its instances holds no longer. */
  lostSight(host: string): void {
    for (const [id, entry] of this.#vitals) if (entry.host === host) this.#vitals.delete(id);
  }

  /** Whether an agent says that the instance runs. */
  sees(id: string): boolean {
    return this.#vitals.has(id);
  }

  /** Another leads: what it writes is taken over when this one leads again. */
  reset(): void {
    this.#known.clear();
    this.#vitals.clear();
    this.#ejections.reset();
    this.#endings.reset();
    this.#byVersion.clear();
    this.#faults.clear();
    this.#writer.reset();
  }

  advise(advised: AdvisedVersion, nowMs: number): Advice {
    const { state } = advised;
    const key = versionKey(advised);
    if (state.instances.length === 0 && !this.#byVersion.has(key) && state.health === undefined) return {};
    this.#meet(advised, nowMs);
    const current = state.instances.filter(
      ({ generation, retiring, standby }) =>
        generation === state.activation.generation && retiring !== true && standby === undefined,
    );
    const verdicts = this.#verdicts(advised, current, nowMs);
    const { unfit, leaving, lookAgainMs } = this.#step(current, verdicts, nowMs);
    this.#persist(advised, key, nowMs);
    const unseen = new Set(current.map(({ id }) => id).filter((id) => !this.sees(id)));
    return { unfit, leaving, unseen, lookAgainMs };
  }

  /** Records of instances that are not healthy, or were quarantined lately. */
  list(): { readonly id: string; readonly known: Readonly<Known> }[] {
    return [...this.#known]
      .filter(([, { record }]) => record.condition !== "healthy" || record.strikes > 0)
      .map(([id, known]) => ({ id, known }));
  }

  /** How an instance does, and which Envoys leave it out now, whatever was forgiven since it started. */
  doubts(
    version: Version,
    { id, address, startedAtMs = 0 }: Pick<InstanceState, "id" | "address" | "startedAtMs">,
    nowMs: number,
  ): Doubts {
    const known = this.#known.get(id);
    // Its host has a clock of its own.
    const sinceMs = Math.min(startedAtMs, known?.metMs ?? nowMs);
    const ejections = this.#ejections.of(version, address, sinceMs, nowMs);
    return { record: known?.record, ejections };
  }

  /** Why versions themselves are at fault, by "<service>@<version>". */
  get faults(): ReadonlyMap<string, string> {
    return this.#faults.all;
  }

  /** Lets an instance be used again. @returns false when it is not known, or nothing was held against it. */
  release(id: string, nowMs: number): boolean {
    const known = this.#known.get(id);
    if (known === undefined || (known.record.condition === "healthy" && known.record.strikes === 0))
      return false;
    known.record = healthy(nowMs);
    known.calls.clear();
    known.forgivenMs = nowMs;
    this.#deps.log.info({ instance: id }, "instance is released from its quarantine");
    this.#deps.evaluate(known.service, known.version);
    return true;
  }

  /** Knows exactly the instances that there are, and their calls. */
  #meet({ service, version, state, load }: AdvisedVersion, nowMs: number): void {
    const key = versionKey({ service, version });
    const ids = new Set(state.instances.map(({ id }) => id));
    for (const id of this.#byVersion.get(key) ?? []) {
      if (ids.has(id)) continue;
      const gone = this.#known.get(id);
      this.#known.delete(id);
      if (gone === undefined || gone.isGoing) this.#endings.forget(id);
      else {
        const { host, metMs } = gone;
        const livedMs = nowMs - metMs;
        this.#endings.unlisted(id, { version: { service, version }, host, livedMs, left: ids.size });
      }
    }
    if (ids.size === 0) this.#byVersion.delete(key);
    else this.#byVersion.set(key, ids);
    for (const { id, host, address, retiring, standby, startedAtMs = 0 } of state.instances) {
      let known = this.#known.get(id);
      if (known === undefined) {
        const written = state.health?.instances[id];
        const record = written === undefined ? healthy(nowMs) : takenOver(written, nowMs, this.#limits);
        // Its host has a clock of its own.
        const forgivenMs = written === undefined ? Math.min(startedAtMs, nowMs) : record.sinceMs;
        known = {
          ...{ service, version, host, address, metMs: nowMs, record },
          ...{ forgivenMs, leftOutUntilMs: Number.POSITIVE_INFINITY },
          calls: new CallWindow(),
          isGoing: false,
        };
        this.#known.set(id, known);
        this.#endings.listed(id);
      }
      known.isGoing = retiring === true || standby !== undefined || this.#deps.isStopping(id);
      const counts = load.endpoints.get(address);
      if (counts !== undefined) known.calls.add(counts, load.reportedMs);
    }
  }

  /** What speaks against each; where most do badly, the version is at fault, and nothing is done to any. */
  #verdicts(
    { service, version, state, load }: AdvisedVersion,
    current: readonly InstanceState[],
    nowMs: number,
  ): ReadonlyMap<string, Verdict> {
    const key = versionKey({ service, version });
    const verdicts = new Map<string, Verdict>();
    const unwell: string[] = [];
    let well = 0;
    // Found once, as it goes through all that is left out anywhere.
    let doubted: ReadonlySet<string> | undefined;
    for (const { id, address } of current) {
      const known = this.#known.get(id);
      if (known === undefined) continue;
      const isOut = known.record.condition === "quarantined" || known.record.condition === "retired";
      // What fails now had begun before it was taken out.
      if (isOut) {
        known.calls.clear();
        known.forgivenMs = nowMs;
      }
      const leftOut = this.#ejections.of(known, address, known.forgivenMs, nowMs);
      known.leftOutUntilMs = Math.min(...leftOut.map(({ untilMs }) => untilMs));
      if (leftOut.length > 0) doubted ??= this.#doubtful(nowMs);
      const verdict = assess({
        leftOut,
        doubtful: doubted ?? NOBODY,
        onProbation: known.record.condition === "probation",
        vitals: this.#vitals.get(id)?.health,
        calls: known.calls.sum(nowMs),
        inProgress: load.endpoints.get(address)?.inProgress ?? 0,
        targetConcurrency: state.manifest.targetConcurrency,
      });
      verdicts.set(id, verdict);
      if (verdict.bad !== undefined || isOut) unwell.push(verdict.bad ?? known.record.reason);
      else well++;
    }
    if (!this.#faults.weigh(key, unwell, well)) return verdicts;
    return new Map(
      [...verdicts].map(([id, verdict]) => [id, { ...verdict, patienceMs: Number.POSITIVE_INFINITY }]),
    );
  }

  #doubtful(nowMs: number): ReadonlySet<string> {
    const hosts = new Map<string, ReadonlyMap<string, string>>();
    const hostOf = (version: Version, address: string) => {
      const key = versionKey(version);
      const ofVersion = hosts.get(key) ?? this.#hostsByAddress(key);
      hosts.set(key, ofVersion);
      return ofVersion.get(address);
    };
    return doubtful(this.#ejections.now(nowMs, hostOf));
  }

  /** Of a version's instances; of two at one address the first counts. */
  #hostsByAddress(key: string): ReadonlyMap<string, string> {
    const hosts = new Map<string, string>();
    for (const id of this.#byVersion.get(key) ?? []) {
      const known = this.#known.get(id);
      if (known !== undefined && !hosts.has(known.address)) hosts.set(known.address, known.host);
    }
    return hosts;
  }

  #step(current: readonly InstanceState[], verdicts: ReadonlyMap<string, Verdict>, nowMs: number) {
    const unfit = new Set<string>();
    const leaving = new Map<string, Leaving>();
    let lookAgainMs = Number.POSITIVE_INFINITY;
    // Counted once: who asks for each instance about all others pays for the square of their number.
    const counts = { usable: 0, out: 0 };
    const use = (instance: InstanceState) => this.#use(instance, verdicts);
    const count = (kind: "usable" | "out" | undefined, by: 1 | -1) => {
      if (kind !== undefined) counts[kind] += by;
    };
    for (const instance of current) count(use(instance), 1);
    for (const instance of current) {
      const { id } = instance;
      const known = this.#known.get(id);
      const verdict = verdicts.get(id);
      if (known === undefined || verdict === undefined) continue;
      const before = known.record;
      count(use(instance), -1);
      const next = step(before, verdict, nowMs, canSpare(counts.usable, counts.out), this.#limits);
      known.record = next;
      count(use(instance), 1);
      if (next.condition !== before.condition) this.#tell(id, known, before);
      const { condition, reason } = next;
      // What stands in for one on probation stays until that is over.
      const isOut = condition === "quarantined" || condition === "probation";
      if (isOut || condemned(next, verdict, nowMs)) unfit.add(id);
      if (condition === "retired") leaving.set(id, { reason: `it was quarantined too often: ${reason}` });
      lookAgainMs = Math.min(
        lookAgainMs,
        nextChangeMs(next, verdict, this.#limits) ?? Number.POSITIVE_INFINITY,
      );
      if (verdict.bad !== undefined)
        lookAgainMs = Math.min(lookAgainMs, known.calls.expiresMs, known.leftOutUntilMs);
    }
    return { unfit, leaving, lookAgainMs: Math.max(lookAgainMs, nowMs + 100) };
  }

  /** What the instance is for the others: they can count on it, or it is out; undefined: neither. */
  #use({ id, healthy, draining }: InstanceState, verdicts: ReadonlyMap<string, Verdict>) {
    const condition = this.#known.get(id)?.record.condition;
    if (condition === "quarantined" || condition === "retired") return "out";
    return healthy && !draining && verdicts.get(id)?.bad === undefined ? "usable" : undefined;
  }

  #tell(id: string, { service, version, host, record, leftOutUntilMs }: Known, before: HealthRecord): void {
    const { condition, reason, strikes } = record;
    const facts = { instance: id, version: versionKey({ service, version }), host, reason, strikes };
    const words = `instance is ${condition}, it was ${before.condition}`;
    if (condition === "healthy" || condition === "probation") this.#deps.log.info(facts, words);
    else this.#deps.log.warn(facts, words);
    // Suspects come and go; that an Envoy acts on one is worth telling.
    const isNews =
      condition === "suspect" ? leftOutUntilMs !== Number.POSITIVE_INFINITY : before.condition !== "suspect";
    if (isNews || condition === "quarantined" || condition === "retired")
      this.#deps.decided(condition, { service, version }, id, host, reason);
    if (condition === "quarantined" || condition === "retired")
      this.#deps.quarantined({ service, version }, host, reason);
  }

  /** Brings Consul to what is known; suspects are nobody else's business, and change often. */
  #persist({ service, version, state }: AdvisedVersion, key: string, nowMs: number): void {
    const instances: Record<string, HealthRecord> = {};
    for (const id of this.#byVersion.get(key) ?? []) {
      const record = this.#known.get(id)?.record;
      if (record === undefined || record.condition === "suspect") continue;
      if (record.condition !== "healthy" || record.strikes > 0) instances[id] = record;
    }
    const fault = this.#faults.all.get(key);
    const known = { instances, ...(fault === undefined ? {} : { fault }) };
    this.#writer.bring({ service, version }, state.health, known, nowMs);
  }
}
