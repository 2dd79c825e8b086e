import { expect, test } from "vitest";
import { ACTIVE } from "../../registry/host-record.ts";
import type { HostState } from "../../registry/hosts.ts";
import { STABLE_MS } from "../execute.ts";
import { endedBadly } from "./health.ts";

const host: HostState = {
  ...{ host: "h1", address: "10.0.0.1:4750", runtime: "process", cpu: 4, memoryBytes: 2 ** 30, gpu: 0 },
  ...{ labels: {}, zone: "", costPerHour: 0, speed: 1, healthy: true, reachable: true },
  mode: ACTIVE,
};
const lost = { atMs: 1, token: 1, instances: [] };

test.each<[string, boolean, Parameters<typeof endedBadly>]>([
  ["ended soon beside others", true, [STABLE_MS - 1, 1, host]],
  ["lived long", false, [STABLE_MS, 1, host]],
  ["was the last: its generation ends, and that is told elsewhere", false, [0, 0, host]],
  ["was on a host whose agent restarts", true, [0, 1, { ...host, healthy: false }]],
  ["went with its host, which is declared dead", false, [0, 1, { ...host, healthy: false, lost }]],
  ["went with its host, which does not answer", false, [0, 1, { ...host, healthy: false, reachable: false }]],
  ["went with its host, which nobody knows any more", false, [0, 1, undefined]],
])("an instance that %s: it speaks against version and host: %s", (_, expected, given) => {
  expect(endedBadly(...given)).toBe(expected);
});
