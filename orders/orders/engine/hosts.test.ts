import { expect, test } from "vitest";
import { hostState } from "../../../orchestrator/placement/testing/fleet.ts";
import type { Condition } from "../../../registry/health-record.ts";
import type { HostMode } from "../../../registry/host-record.ts";
import type { HostState } from "../../../registry/hosts.ts";
import { assign, type Candidate } from "../queue/queue.ts";
import { placeableHosts } from "./hosts.ts";
import { roomOf } from "./live.ts";

const GIB = 2 ** 30;

function job(key: string, cpu = 1): Candidate {
  const room = { cpu, memory: GIB, gpu: 0, labels: {}, service: "s.v1.S", version: "1.0.0", image: true };
  return { key, priority: 5, provider: "p", sequence: Number(key), sinceMs: 0, room };
}

/** Where each of the jobs goes. */
function turns(hosts: readonly HostState[], ...candidates: Candidate[]) {
  const placeable = placeableHosts(
    new Map(hosts.map((host) => [host.host, host])),
    { services: new Map() },
    [],
  );
  return assign({ candidates, running: [], hosts: placeable, mostCalls: 1, nowMs: 0 });
}

const docker = (name: string, over: Partial<HostState> = {}) =>
  hostState(name, { runtime: "docker", ...over });
const inMode = (mode: HostMode) => docker("a", { mode: { mode, reason: "", atMs: 1 } });
const is = (condition: Condition): Partial<HostState> => ({
  health: { condition, sinceMs: 1, reason: "three versions failed on it", strikes: 1 },
});

test.each([
  ["cordoned", inMode("cordoned")],
  ["being drained", inMode("draining")],
  ["in maintenance", inMode("maintenance")],
  ["silent", docker("a", { healthy: false })],
  ["without an engine", hostState("a")],
])("no job goes to a host that is %s, though there is no other", (_, host) => {
  expect(turns([host], job("1"))).toEqual([]);
  expect(turns([host, docker("b")], job("1"))).toEqual([{ key: "1", host: "b" }]);
});

test.each(["quarantined", "retired"] as const)(
  "a job waits for room elsewhere rather than go to a host that is %s",
  (condition) => {
    // It is the larger one.
    const bad = docker("a", { cpu: 16, ...is(condition) });
    expect(turns([bad, docker("b", { cpu: 1 })], job("1"), job("2"))).toEqual([{ key: "1", host: "b" }]);
  },
);

test("such a host is used where no other could ever take the job", () => {
  const bad = docker("a", { cpu: 16, ...is("quarantined") });
  expect(turns([bad], job("1"))).toEqual([{ key: "1", host: "a" }]);
  expect(turns([bad, docker("b", { cpu: 1 })], job("1", 2))).toEqual([{ key: "1", host: "a" }]);
  const cordoned = docker("b", { mode: { mode: "cordoned", reason: "", atMs: 1 } });
  expect(turns([bad, cordoned], job("1"))).toEqual([{ key: "1", host: "a" }]);
});

test("where a job was lost it goes again only if there is no room elsewhere", () => {
  const room = { cpu: 1, memory: GIB, gpu: 0, labels: {} };
  const lost: Candidate = {
    ...job("1"),
    room: roomOf({ service: "s.v1.S", version: "1.0.0", room, faults: 1, host: "a" }),
  };
  // It would be the better choice: it gets fuller.
  const small = docker("a", { cpu: 1 });
  expect(turns([small, docker("b")], job("1"))).toEqual([{ key: "1", host: "a" }]);
  expect(turns([small, docker("b")], lost)).toEqual([{ key: "1", host: "b" }]);
  expect(turns([small], lost)).toEqual([{ key: "1", host: "a" }]);
});
