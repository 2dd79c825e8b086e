import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { instance, manifest, TestMesh, version } from "../../mesh-config/testing/state.ts";
import type { HostState } from "../../registry/hosts.ts";
import type { InstanceState } from "../../registry/state.ts";
import { Starts } from "../starts.ts";
import type { Amounts } from "./host.ts";
import { LiveIndex } from "./live-index.ts";
import { gib, hostState } from "./testing/fleet.ts";

const NAMES = ["a", "b", "c"] as const;

function on(host: string, id: string, over: Partial<InstanceState> = {}): InstanceState {
  return { ...instance(id, 1, "127.0.0.1:2"), host, ...over };
}

/** A fleet that a test changes, and an index that follows it. */
class Rig {
  readonly mesh = new TestMesh();
  readonly starts = new Starts();
  hosts: readonly HostState[] = NAMES.map((name) => hostState(name));
  readonly #jobs = new Map<string, Amounts | undefined>();
  readonly live = this.#index();

  #index(): LiveIndex {
    const fleet = { current: () => this.mesh.state, hosts: () => this.hosts };
    const live = new LiveIndex(fleet, this.starts, () => new Set());
    for (const [host, held] of this.#jobs) live.setJobs(host, held);
    return live;
  }

  jobs(host: string, held: Amounts | undefined): void {
    this.#jobs.set(host, held);
    this.live.setJobs(host, held);
  }

  shown(index = this.live) {
    return index
      .current()
      .hosts()
      .map(({ name, used, jobs, versions, services, repels, mode }) => ({
        name,
        used,
        jobs,
        versions,
        services,
        repels,
        mode,
      }));
  }

  shownAnew() {
    return this.shown(this.#index());
  }
}

const resources = { cpu: 0.5, memory: gib, gpu: 0, labels: {} };
const room = ({ shown }: { shown: ReturnType<Rig["shown"]> }) =>
  shown.map(({ used }) => [used.cpu, used.memory / gib]);

describe("what is counted on a host", () => {
  const placement = {
    spread: [],
    affinity: [],
    antiAffinity: [{ service: "b.v1.B", strict: true, weight: 50 }],
  };

  function rigWith(...instances: InstanceState[]): Rig {
    const rig = new Rig();
    rig.mesh.put(
      version(manifest("a.v1.A", "1.0.0", { resources, placement }), { generation: 1 }, instances),
    );
    return rig;
  }

  test("instances, with what they keep away", () => {
    const [a, b] = rigWith(on("a", "1"), on("a", "2")).shown();
    expect(a).toEqual({
      name: "a",
      mode: "active",
      used: { cpu: 1, memory: 2 * gib, gpu: 0 },
      versions: new Map([["a.v1.A@1.0.0", 2]]),
      services: new Map([["a.v1.A", 2]]),
      repels: new Map([["b.v1.B", new Set(["a.v1.A"])]]),
    });
    expect(b?.used.cpu).toBe(0);
  });

  test("starts, once", () => {
    const rig = rigWith();
    const target = { service: "a.v1.A", version: "1.0.0", generation: 1 };
    rig.starts.add({ instanceId: "1", target, host: "b", why: "" });
    expect(room({ shown: rig.shown() })).toEqual([
      [0, 0],
      [0.5, 1],
      [0, 0],
    ]);
    rig.mesh.change("a.v1.A", "1.0.0", (state) => ({ ...state, instances: [on("b", "1")] }));
    expect(room({ shown: rig.shown() })).toEqual([
      [0, 0],
      [0.5, 1],
      [0, 0],
    ]);
    rig.starts.remove("1");
    rig.mesh.change("a.v1.A", "1.0.0", (state) => ({ ...state, instances: [] }));
    expect(room({ shown: rig.shown() })).toEqual([
      [0, 0],
      [0, 0],
      [0, 0],
    ]);
  });

  test("only the room of those that leave, and nothing of those that are frozen", () => {
    const frozen = { standby: { sinceMs: 1, lastUsedMs: 1 } };
    const [a, b, c] = rigWith(on("a", "1", { draining: true, retiring: true }), on("b", "2", frozen)).shown();
    expect([a?.used.cpu, a?.versions?.size, a?.repels?.size]).toEqual([0.5, 0, 0]);
    expect([b?.used.cpu, b?.versions?.size]).toEqual([0, 1]);
    expect(c?.used.cpu).toBe(0);
  });

  test("the room that jobs hold, until they end, also of a host that is known later", () => {
    const rig = rigWith(on("a", "1"));
    const held = { cpu: 2, memory: 4 * gib, gpu: 0 };
    rig.jobs("a", held);
    rig.jobs("later", held);
    const [a] = rig.shown();
    expect([a?.used, a?.jobs, a?.versions?.size]).toEqual([{ cpu: 2.5, memory: 5 * gib, gpu: 0 }, held, 1]);
    rig.hosts = [...rig.hosts, hostState("later")];
    rig.jobs("a", { ...held, cpu: 1 });
    expect(room({ shown: rig.shown() })).toEqual([
      [1.5, 5],
      [0, 0],
      [0, 0],
      [2, 4],
    ]);
    rig.jobs("a", undefined);
    expect(rig.shown()[0]?.used.cpu).toBe(0.5);
  });

  test("nothing of a lost host is in anybody's way, and no silent host takes anything", () => {
    const rig = rigWith(on("a", "1"), on("b", "2"));
    const lost = { atMs: 1, token: 1, instances: ["1"] };
    rig.hosts = [
      hostState("a", { healthy: false, lost }),
      hostState("b", { healthy: false }),
      hostState("c"),
    ];
    expect(rig.shown().map(({ mode, versions }) => [mode, versions?.size])).toEqual([
      ["away", 0],
      ["away", 1],
      ["active", 0],
    ]);
  });
});

test("an index that followed all changes is as one made anew", () => {
  const instances = fc.uniqueArray(
    fc.record({
      id: fc.constantFrom("1", "2", "3", "4"),
      host: fc.constantFrom(...NAMES, "gone"),
      draining: fc.boolean(),
    }),
    { selector: ({ id }) => id, maxLength: 4 },
  );
  const change = fc.oneof(
    fc.record({
      kind: fc.constant("instances" as const),
      service: fc.constantFrom("a.v1.A", "b.v1.B"),
      instances,
    }),
    fc.record({
      kind: fc.constant("start" as const),
      id: fc.constantFrom("1", "5"),
      host: fc.constantFrom(...NAMES),
    }),
    fc.record({ kind: fc.constant("started" as const), id: fc.constantFrom("1", "5") }),
    fc.record({ kind: fc.constant("cordon" as const), host: fc.constantFrom(...NAMES) }),
    fc.record({
      kind: fc.constant("jobs" as const),
      host: fc.constantFrom(...NAMES),
      cpu: fc.constantFrom(undefined, 0.1, 0.3),
    }),
  );
  fc.assert(
    fc.property(fc.array(change, { maxLength: 20 }), (changes) => {
      const rig = new Rig();
      for (const one of changes) {
        if (one.kind === "start") {
          const target = { service: "a.v1.A", version: "1.0.0", generation: 1 };
          rig.starts.add({ instanceId: one.id, target, host: one.host, why: "" });
        } else if (one.kind === "started") rig.starts.remove(one.id);
        else if (one.kind === "jobs")
          rig.jobs(one.host, one.cpu === undefined ? undefined : { cpu: one.cpu, memory: gib, gpu: 0 });
        else if (one.kind === "cordon") {
          const mode = { mode: "cordoned" as const, reason: "", atMs: 1 };
          rig.hosts = rig.hosts.map((host) => (host.host === one.host ? { ...host, mode } : host));
        } else {
          // A version always needs the same.
          const resourcesNow = { ...resources, cpu: one.service === "a.v1.A" ? 0.1 : 0.7 };
          const shown = one.instances.map(({ id, host, draining }) =>
            on(host, `${one.service}-${id}`, { draining }),
          );
          rig.mesh.put(
            version(manifest(one.service, "1.0.0", { resources: resourcesNow }), { generation: 1 }, shown),
          );
        }
        expect(rig.shown()).toEqual(rig.shownAnew());
      }
    }),
  );
});
