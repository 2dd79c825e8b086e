import { expect, test } from "vitest";
import { noExtras } from "../resources/plan.ts";
import { instance, manifest, TestMesh, version } from "../testing/state.ts";
import { instancesOf, sharesOf, versionsOf } from "./shares.ts";

const service = "a.v1.A";

function state(fill: (mesh: TestMesh) => void) {
  const mesh = new TestMesh();
  fill(mesh);
  const found = mesh.state.services.get(service);
  if (found === undefined) throw new Error("the test's mesh is empty");
  return found;
}

const nothing = () => noExtras;

test("specs name versions as Envoy's routes do", () => {
  const found = state((mesh) => {
    for (const number of ["1.0.0", "1.4.2", "2.0.0-beta.1"]) mesh.put(version(manifest(service, number)));
    mesh.put({ ...version(manifest(service, "1.5.0")), approval: "pending", barred: true });
    mesh.tag(service, "dev", { "2.0.0-beta.1": 100 });
    mesh.tag(service, "split", { "1.0.0": 90, "1.4.2": 10 });
    mesh.tag(service, "barred", { "1.5.0": 50, "1.0.0": 50 });
    mesh.tag(service, "old", { "0.1.0": 100 });
  });
  const named = (spec: string) =>
    versionsOf(service, found, spec).map(
      ({ version: { manifest }, weight }) => `${manifest.version}=${weight}`,
    );
  expect(
    Object.fromEntries(
      ["", "1", "1.0", "^1.2.7", "~1.4.1", "1.5.0", "^2.0.0-alpha"].map((spec) => [spec, named(spec)]),
    ),
  ).toEqual({
    "": ["1.4.2=1"],
    "1": ["1.4.2=1"],
    "1.0": ["1.0.0=1"],
    "^1.2.7": ["1.4.2=1"],
    "~1.4.1": ["1.4.2=1"],
    "1.5.0": ["1.5.0=1"],
    "^2.0.0-alpha": ["2.0.0-beta.1=1"],
  });
  expect(named("dev")).toEqual(["2.0.0-beta.1=100"]);
  expect(named("split")).toEqual(["1.0.0=90", "1.4.2=10"]);
  expect(named("barred")).toEqual(["1.0.0=50"]);
  for (const spec of ["old", "3", "nothing", "*", ">=1"]) expect(named(spec)).toEqual([]);
});

const told = (instanceId: string, address: string, retiring = false) => ({
  instanceId,
  address,
  host: "h1",
  zone: "",
  retiring,
});

test("only what takes calls is told, and what the orchestrator said ahead of Consul", () => {
  const found = state((mesh) =>
    mesh.put({
      ...version(manifest(service, "1.0.0"), { generation: 2 }, [
        instance("a", 2, "127.0.0.1:1"),
        { ...instance("drains", 2, "127.0.0.1:2"), draining: true, retiring: true },
        { ...instance("sick", 2, "127.0.0.1:3"), healthy: false, draining: true },
        instance("old", 1, "127.0.0.1:4"),
        { ...instance("frozen", 2, "127.0.0.1:6"), standby: { sinceMs: 1, lastUsedMs: 1 } },
      ]),
    }),
  );
  const ahead = { id: "b", address: "127.0.0.1:5", draining: false, host: "h1" };
  const extras = () => ({ ...noExtras, ready: [ahead] });
  expect(sharesOf(service, found, "1", extras)).toEqual([
    {
      cluster: `${service}@1.0.0#2`,
      weight: 1,
      endpoints: [told("b", "127.0.0.1:5"), told("a", "127.0.0.1:1")],
    },
  ]);
  expect(instancesOf(service, found, "1.0.0", extras)).toEqual([
    {
      cluster: `${service}@1.0.0#2`,
      weight: 1,
      endpoints: [
        told("a", "127.0.0.1:1"),
        told("drains", "127.0.0.1:2", true),
        told("sick", "127.0.0.1:3"),
        told("old", "127.0.0.1:4"),
        told("b", "127.0.0.1:5"),
      ],
    },
  ]);
  expect(instancesOf(service, found, "1", nothing)).toEqual([]);
});

test("what is stopped or awaits approval has no instances for direct calls", () => {
  const found = state((mesh) => {
    const instances = [instance("a", 1, "127.0.0.1:1")];
    const stopped = { reason: "moved", atMs: 1 };
    mesh.put(version(manifest(service, "1.0.0"), { generation: 1, stopped }, instances));
    mesh.put({ ...version(manifest(service, "2.0.0"), { generation: 1 }, instances), barred: true });
  });
  for (const spec of ["1.0.0", "2.0.0"])
    expect(sharesOf(service, found, spec, nothing)).toEqual([
      { cluster: `${service}@${spec}#1`, weight: 1, endpoints: [] },
    ]);
});
