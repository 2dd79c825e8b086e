import { expect, test } from "vitest";
import type { MeshState, VersionState } from "../registry/state.ts";
import { bundlesOf, shareOut } from "./copies.ts";

const digest = (n: number) => n.toString(16).padStart(2, "0").repeat(32);

test("each bundle is kept on two hosts, and on one that is alone not at all", () => {
  const digests = Array.from({ length: 100 }, (_, n) => digest(n));
  const shares = shareOut(digests, ["a", "b", "c"]);
  for (const one of digests)
    expect([...shares.values()].filter((kept) => kept.includes(one))).toHaveLength(2);
  for (const kept of shares.values()) expect(kept).toEqual([...kept].sort());
  expect(shareOut(digests, ["a", "b"])).toEqual(
    new Map([
      ["a", digests],
      ["b", digests],
    ]),
  );
  expect(shareOut(digests, ["a"])).toEqual(new Map([["a", []]]));
});

test("bundles are those of all versions, each once; images are elsewhere", () => {
  const version = (artifact: VersionState["deployment"]["artifact"]) =>
    ({ deployment: { artifact, env: {}, mounts: [], registeredAtMs: 0 } }) as unknown as VersionState;
  const bundle = (n: number) => version({ kind: "bundle", digest: digest(n) });
  const image = version({ kind: "image", name: "some:1", port: 0, command: [] });
  const services = new Map([
    [
      "a.v1.A",
      {
        versions: new Map([
          ["1.0.0", bundle(7)],
          ["1.0.1", image],
        ]),
      },
    ],
    [
      "b.v1.B",
      {
        versions: new Map([
          ["1.0.0", bundle(3)],
          ["1.0.1", bundle(7)],
        ]),
      },
    ],
  ]);
  expect(bundlesOf({ services } as unknown as MeshState)).toEqual([digest(3), digest(7)]);
});
