import { expect, test } from "vitest";
import { parseOutlierLine } from "./outlier-log.ts";

const facts = {
  type: "CONSECUTIVE_GATEWAY_FAILURE",
  timestamp: "2026-11-30T07:38:25.147Z",
  cluster_name: "a.v1.A@1.0.0#3",
  upstream_url: "127.0.0.1:41911",
  action: "EJECT",
  num_ejections: 1,
  enforced: true,
  eject_consecutive_event: {},
};
const parse = (change: Readonly<Record<string, unknown>> = {}) =>
  parseOutlierLine(JSON.stringify({ ...facts, ...change }));

test("an Envoy leaves an instance out, and longer each time", () => {
  expect(parse()).toEqual({
    service: "a.v1.A",
    version: "1.0.0",
    address: "127.0.0.1:41911",
    isOut: true,
    forMs: 15_000,
    why: "after 5 errors in a row",
    atMs: Date.UTC(2026, 10, 30, 7, 38, 25, 147),
  });
  expect(parse({ num_ejections: 3 })?.forMs).toBe(35_000);
  expect(parse({ num_ejections: 1_000 })?.forMs).toBe(305_000);
});

test("it calls the instance again", () => {
  // As Envoy has it: the type means nothing here, and enforced neither.
  expect(parse({ action: "UNEJECT", type: "CONSECUTIVE_5XX", enforced: false })).toMatchObject({
    isOut: false,
    forMs: 0,
    why: "",
  });
});

test("sockets and IPv6", () => {
  expect(parse({ upstream_url: "/run/a.sock" })?.address).toBe("unix:/run/a.sock");
  expect(parse({ upstream_url: "[fd00::1]:80" })?.address).toBe("[fd00::1]:80");
});

test("a rule that we do not set is told by its name", () => {
  expect(parse({ type: "SUCCESS_RATE" })?.why).toBe("by its rule SUCCESS_RATE");
});

test.each([
  ["nothing", ""],
  ["no JSON", '{"type":"CONS'],
  ["no object", "[]"],
  ["another action", JSON.stringify({ ...facts, action: "DANCE" })],
  ["no time", JSON.stringify({ ...facts, timestamp: "soon" })],
  ["a cluster that is no version's", JSON.stringify({ ...facts, cluster_name: "rouse_control_plane" })],
  ["what only might have been", JSON.stringify({ ...facts, enforced: false })],
])("%s is passed over", (_, line) => {
  expect(parseOutlierLine(line)).toBeUndefined();
});
