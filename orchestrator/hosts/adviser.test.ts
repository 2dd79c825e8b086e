import { expect, test } from "vitest";
import { manifest, version } from "../../mesh-config/testing/state.ts";
import type { HostState } from "../../registry/hosts.ts";
import type { InstanceState } from "../../registry/state.ts";
import type { AdvisedVersion } from "../adviser.ts";
import { HostsAdviser, hostAdvice } from "./adviser.ts";

const host = (name: string, changes: Partial<HostState> = {}): [string, HostState] => [
  name,
  {
    ...{ host: name, address: "10.0.0.1:8073", runtime: "process", cpu: 2, memoryBytes: 2 ** 30, gpu: 0 },
    ...{ labels: {}, zone: "", costPerHour: 0, speed: 1, healthy: true, reachable: true },
    mode: { mode: "active", reason: "", atMs: 0 },
    ...changes,
  },
];
const instance = (id: string, on: string): InstanceState => ({
  ...{
    id,
    host: on,
    generation: 1,
    runtime: "process",
    address: "10.0.0.1:1",
    healthy: true,
    draining: false,
  },
});

test("instances of draining hosts leave, those of lost ones are gone, all others stay", () => {
  const hosts = new Map([
    host("a"),
    host("b", { mode: { mode: "draining", reason: "new disk", atMs: 1, deadlineMs: 9 } }),
    host("c", { mode: { mode: "maintenance", reason: "", atMs: 1 } }),
    host("d", { mode: { mode: "cordoned", reason: "odd", atMs: 1 } }),
    host("e", { lost: { atMs: 1, token: 2, instances: ["five"] }, healthy: false }),
    host("f", { healthy: false, reachable: false }),
  ]);
  const on = ["a", "b", "c", "d", "e", "f", "gone"].map((name) => instance(`i-${name}`, name));
  expect(hostAdvice(on, hosts)).toEqual({
    leaving: new Map([
      ["i-b", { reason: "host b drains: new disk", byMs: 9, stopByMs: 9 }],
      ["i-c", { reason: "host c is in maintenance" }],
    ]),
    lost: new Set(["i-e"]),
    lookAgainMs: 9,
  });
});

test("a drain that a leader began whose clock was an hour ahead ends within its span, and its end does not move", () => {
  const mode = { mode: "draining", reason: "", atMs: 4_600_000, deadlineMs: 4_660_000 } as const;
  const adviser = new HostsAdviser(() => new Map([host("b", { mode })]));
  const state = version(manifest("a.v1.A", "1.0.0"), { generation: 1 }, [instance("i", "b")]);
  const advised = { service: "a.v1.A", version: "1.0.0", state } as unknown as AdvisedVersion;
  for (const nowMs of [1_000_000, 1_030_000, 2_000_000])
    expect(adviser.advise(advised, nowMs)).toMatchObject({
      leaving: new Map([["i", { reason: "host b drains", byMs: 1_060_000, stopByMs: 1_060_000 }]]),
      lookAgainMs: 1_060_000,
    });
});
