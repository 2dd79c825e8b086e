import { expect, test } from "vitest";
import { instance, manifest, TestMesh, version } from "../testing/state.ts";
import { kinds } from "./resource.ts";
import { type Snapshot, SnapshotBuilder } from "./snapshot.ts";

const settings = { edge: "127.0.0.1:8080", mesh: "127.0.0.1:8081" };

test("two control planes that learned of the same mesh in another order send the same", () => {
  const failure = { status: "UNAVAILABLE", message: "it ended", retryAtMs: 7 };
  const steps: ((mesh: TestMesh) => void)[] = [
    (mesh) => mesh.put(version(manifest("a.v1.A", "1.0.0"))),
    (mesh) => mesh.put(version(manifest("a.v1.A", "1.10.0"), { generation: 4, failure })),
    (mesh) =>
      mesh.put(
        version(manifest("a.v1.A", "1.9.0"), { generation: 2 }, [
          instance("x", 2, "127.0.0.1:1"),
          instance("y", 1, "127.0.0.1:2"),
        ]),
      ),
    (mesh) => mesh.put(version(manifest("b.v1.B", "2.0.0"))),
    (mesh) => mesh.tag("a.v1.A", "beta", { "1.9.0": 1 }),
    (mesh) => mesh.tag("a.v1.A", "alpha", { "0.1.0": 1 }),
  ];
  const versions = (order: typeof steps) => {
    const mesh = new TestMesh();
    for (const step of order) step(mesh);
    const { resources } = new SnapshotBuilder(settings).build(mesh.state, new Map());
    return kinds.map((kind) =>
      [...resources[kind].values()].map(({ name, version }) => `${kind} ${name} ${version}`).sort(),
    );
  };
  expect(versions(steps.toReversed())).toEqual(versions(steps));
});

/** What a snapshot says, whatever way it was made. */
function contents({ resources }: Snapshot): string[] {
  return kinds.flatMap((kind) =>
    [...resources[kind].values()].map(({ name, version }) => `${kind} ${name} ${version}`).sort(),
  );
}

test("a snapshot that is made from the last one is as one made from nothing, whatever happens", () => {
  const random = numbers(7);
  const pick = (n: number) => Math.floor(random() * n);
  const mesh = new TestMesh();
  const builder = new SnapshotBuilder(settings);
  const services = ["a.v1.A", "b.v1.B", "c.v1.C", "d.v1.D"];
  let before = builder.build(mesh.state, new Map());
  for (let step = 0; step < 300; step++) {
    const service = services[pick(services.length)] ?? "";
    const number = `1.${pick(3)}.0`;
    const generation = 1 + pick(3);
    const instances = Array.from({ length: pick(3) }, (_, n) =>
      instance(`${n}`, 1 + pick(generation), `127.0.0.1:${1 + pick(9)}`),
    );
    const exposure = pick(5) === 0 ? ("internal" as const) : ("external" as const);
    if (pick(10) === 0) mesh.remove(service);
    else mesh.put(version(manifest(service, number, { exposure }), { generation }, instances));
    const sent = new Map([...before.resources.cluster, ...before.resources.endpoint]);
    const after = builder.build(mesh.state, new Map(), new Map(), []);
    expect(contents(after)).toEqual(contents(new SnapshotBuilder(settings).build(mesh.state, new Map())));
    const touched = new Set(after.touchedSince?.(after.number - 1));
    const now = new Map([...after.resources.cluster, ...after.resources.endpoint]);
    for (const name of new Set([...sent.keys(), ...now.keys()])) {
      if (sent.get(name) !== now.get(name)) expect(touched).toContain(name);
    }
    before = after;
  }
});

test("a change touches one service of many, and only its tables' part is made anew", () => {
  const mesh = new TestMesh();
  for (let n = 0; n < 50; n++) {
    mesh.put(version(manifest(`s${n}.v1.S`, "1.0.0"), { generation: 1 }, [instance("i", 1, "127.0.0.1:1")]));
  }
  const builder = new SnapshotBuilder(settings);
  const before = builder.build(mesh.state, new Map());
  const routes = before.resources.route;
  mesh.change("s7.v1.S", "1.0.0", (state) => ({ ...state, instances: [instance("j", 1, "127.0.0.1:2")] }));
  const after = builder.build(mesh.state, new Map(), new Map(), []);
  expect([...(after.touchedSince?.(before.number) ?? [])]).toEqual(["s7.v1.S@1.0.0#1"]);
  expect([...after.resources.route.values()]).toEqual([...routes.values()]);
});

test("endpoints have another version after another cluster, for Envoy waits for them anew", () => {
  const mesh = new TestMesh();
  const put = (loadBalancing: "round_robin" | "least_request") => {
    const changed = { ...manifest("a.v1.A", "1.0.0"), loadBalancing };
    mesh.put(version(changed, { generation: 1 }, [instance("i", 1, "127.0.0.1:1")]));
    return new SnapshotBuilder(settings).build(mesh.state, new Map()).resources;
  };
  const [one, two, three] = [put("round_robin"), put("least_request"), put("round_robin")];
  const of = (resources: Snapshot["resources"], kind: "cluster" | "endpoint") =>
    resources[kind].get("a.v1.A@1.0.0#1")?.version;
  expect(of(two, "cluster")).not.toBe(of(one, "cluster"));
  expect(of(two, "endpoint")).not.toBe(of(one, "endpoint"));
  expect(of(three, "endpoint")).toBe(of(one, "endpoint"));
});

test("what Envoys share is copied anew only when much has changed", () => {
  const mesh = new TestMesh();
  const put = (n: number, port: number) =>
    mesh.put(
      version(manifest(`s${n}.v1.S`, "1.0.0"), { generation: 1 }, [instance("i", 1, `127.0.0.1:${port}`)]),
    );
  for (let n = 0; n < 100; n++) put(n, 1);
  const builder = new SnapshotBuilder(settings);
  const build = () => builder.build(mesh.state, new Map(), new Map(), []);
  const first = build().shared?.("endpoint");
  put(0, 2);
  expect(build().shared?.("endpoint")).toBe(first);
  for (let n = 0; n < 50; n++) put(n, 3);
  const { shared, resources } = build();
  expect(shared?.("endpoint")?.contents).toEqual(resources.endpoint);
});

test("pages are of what is there, without aliases, and kept until something in them is gone", () => {
  const mesh = new TestMesh();
  const put = (n: number) =>
    mesh.put(
      version(manifest(`s${n}.v1.S`, "1.0.0"), { generation: 2 }, [instance("i", 2, `127.0.0.1:${n}`)]),
    );
  for (let n = 1; n <= 100; n++) put(n);
  const builder = new SnapshotBuilder(settings);
  const build = (aliases = new Map<string, string>()) => builder.build(mesh.state, new Map(), aliases, []);
  const names = (snapshot: Snapshot, kind: "cluster" | "endpoint") =>
    new Set(snapshot.pages?.()?.[kind].flatMap((page) => [...page.names]));
  const first = build();
  for (const kind of ["cluster", "endpoint"] as const)
    expect(names(first, kind)).toEqual(new Set(first.resources[kind].keys()));
  const pages = first.pages?.();
  put(101);
  expect(build().pages?.()).toBe(pages);
  expect(build(new Map([["s1.v1.S@1.0.0#1", "s1.v1.S@1.0.0#2"]])).pages?.()).toBe(undefined);
  mesh.remove("s7.v1.S");
  const last = build();
  expect(names(last, "cluster")).toEqual(new Set(last.resources.cluster.keys()));
});

test("an alias goes with what it stands for", () => {
  const mesh = new TestMesh();
  mesh.put(version(manifest("a.v1.A", "1.0.0"), { generation: 2 }, [instance("i", 2, "127.0.0.1:1")]));
  const builder = new SnapshotBuilder(settings);
  const aliases = new Map([["a.v1.A@1.0.0#1", "a.v1.A@1.0.0#2"]]);
  const names = (snapshot: Snapshot) => [...snapshot.resources.cluster.keys()].sort();
  const one = builder.build(mesh.state, new Map());
  expect(names(builder.build(mesh.state, new Map(), aliases, []))).toEqual([
    "a.v1.A@1.0.0#1",
    "a.v1.A@1.0.0#2",
  ]);
  mesh.change("a.v1.A", "1.0.0", (state) => ({ ...state, instances: [] }));
  const three = builder.build(mesh.state, new Map(), aliases, []);
  expect(names(three)).toEqual([]);
  expect([...(three.touchedSince?.(one.number) ?? [])].sort()).toEqual(["a.v1.A@1.0.0#1", "a.v1.A@1.0.0#2"]);
});

/** Pseudo-random numbers from 0 to 1, the same each time (mulberry32). */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
