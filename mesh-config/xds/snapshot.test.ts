import { expect, test } from "vitest";
import { instance, manifest, TestMesh, version } from "../testing/state.ts";
import { kinds } from "./resource.ts";
import { SnapshotBuilder } from "./snapshot.ts";

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
