import { expect, test } from "vitest";
import { manifest, TestMesh, version } from "../testing/state.ts";
import { ChangeLog, changedServices } from "./changed.ts";

test("changed are services that are new, other, or gone", () => {
  const mesh = new TestMesh();
  for (const name of ["a.v1.A", "b.v1.B", "c.v1.C"]) mesh.put(version(manifest(name, "1.0.0")));
  const before = mesh.state;
  expect(changedServices(before, mesh.state)).toEqual(new Set());
  expect(changedServices(undefined, before)).toEqual(new Set(["a.v1.A", "b.v1.B", "c.v1.C"]));
  mesh.put(version(manifest("b.v1.B", "1.1.0")));
  mesh.put(version(manifest("d.v1.D", "1.0.0")));
  expect(changedServices(before, mesh.state)).toEqual(new Set(["b.v1.B", "d.v1.D"]));
  expect(changedServices(mesh.state, before)).toEqual(new Set(["b.v1.B", "d.v1.D"]));
});

test("the log joins what snapshots touched, until it has forgotten them", () => {
  const log = new ChangeLog();
  expect(log.since(0)).toBeUndefined();
  for (let n = 1; n <= 1_500; n++) log.add(n, new Set([`s${n % 3}`]));
  expect([...(log.since(1_500) ?? ["?"])]).toEqual([]);
  expect([...(log.since(1_499) ?? [])]).toEqual(["s0"]);
  expect([...(log.since(1_497) ?? [])].sort()).toEqual(["s0", "s1", "s2"]);
  expect(log.since(400)).toBeUndefined();
  log.add(1_501, new Set(Array.from({ length: 100_001 }, (_, n) => `${n}`)));
  expect(log.since(1_500)).toBeUndefined();
});
