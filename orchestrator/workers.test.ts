import { expect, test } from "vitest";
import { instance, manifest, version } from "../mesh-config/testing/state.ts";
import type { InstanceState, VersionManifest } from "../registry/state.ts";
import { workersAdvice } from "./workers.ts";

const one = (id: string) => ({ ...instance(id, 2, "127.0.0.1:1"), workers: "1" });
const four = "processes:4";

function leaving(
  workers: VersionManifest["workers"],
  instances: readonly InstanceState[],
  env: Record<string, string> = {},
) {
  const state = version(
    manifest("a.v1.A", "1.0.0", workers === undefined ? {} : { workers }),
    { generation: 2 },
    instances,
  );
  const advice = workersAdvice({ ...state, deployment: { ...state.deployment, env } });
  return Object.fromEntries([...(advice.leaving ?? [])].map(([id, { reason }]) => [id, reason]));
}

test("who has the workers that are wanted stays", () => {
  expect(leaving(undefined, [one("a")])).toEqual({});
  expect(leaving({ kind: "processes", count: 1 }, [one("a")])).toEqual({});
  expect(leaving({ kind: "processes", count: 4 }, [{ ...one("a"), workers: four }])).toEqual({});
  const pinned = { ...one("a"), workers: "1 pinned" };
  expect(leaving({ kind: "processes", count: 1, pinCores: true }, [pinned])).toEqual({});
  // Its agent is of an older Rouse.
  expect(leaving({ kind: "processes", count: 4 }, [instance("a", 2, "127.0.0.1:1")])).toEqual({});
  // Told by the registration: the contract says nothing.
  expect(leaving(undefined, [{ ...one("a"), workers: four }], { ROUSE_WORKERS: four })).toEqual({});
});

test("others go one at a time, and all that take no calls at once", () => {
  const instances = [
    one("b"),
    one("a"),
    { ...one("c"), workers: four },
    { ...one("thread"), runtime: "in-process" },
    { ...one("frozen"), standby: { sinceMs: 1, lastUsedMs: 1 } },
    { ...one("goes"), draining: true, retiring: true as const },
  ];
  const reason = "tuned: workers 1 → processes:4";
  expect(leaving({ kind: "processes", count: 4 }, instances)).toEqual({
    ...{ a: reason, frozen: reason, goes: reason },
  });
  expect(leaving({ kind: "processes", count: 1, pinCores: true }, instances.slice(2, 3))).toEqual({
    c: "tuned: workers processes:4 → 1 pinned",
  });
});
