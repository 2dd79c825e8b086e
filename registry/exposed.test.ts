import { expect, test } from "vitest";
import { manifest, TestMesh, version } from "../mesh-config/testing/state.ts";
import { exposedServices, exposedVersion } from "./exposed.ts";

const name = "genome.v1.GenomeService";

test("the world sees the default version that is external and listed", () => {
  const mesh = new TestMesh();
  mesh.put(version(manifest(name, "1.0.0")));
  mesh.put(version(manifest(name, "2.0.0", { exposure: "internal" })));
  mesh.put({ ...version(manifest(name, "3.0.0")), approval: "pending" });
  mesh.put(version(manifest("audit.v1.Audit", "1.0.0", { exposure: "internal" })));
  mesh.put(version(manifest("early.v1.Early", "1.0.0-rc.1")));
  const shown = () =>
    exposedServices(mesh.state).map(({ service, version: number }) => `${service} ${number}`);
  expect(shown()).toEqual([`${name} 1.0.0`]);
  mesh.put(version(manifest(name, "1.1.0")));
  expect(shown()).toEqual([`${name} 1.1.0`]);
  mesh.tag(name, "release", { "1.0.0": 10, "1.1.0": 1 });
  expect(shown()).toEqual([`${name} 1.0.0`]);

  const state = mesh.state.services.get(name);
  const specs = ["1.1.0", "~1.1", "2.0.0", "3.0.0", "release", "none"];
  const found = specs.map((spec) => state && exposedVersion(name, state, spec)?.version);
  expect(found).toEqual(["1.1.0", "1.1.0", undefined, undefined, "1.0.0", undefined]);
});
