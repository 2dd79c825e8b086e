import { afterAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { ACTIVE } from "../../../registry/host-record.ts";
import type { HostState } from "../../../registry/hosts.ts";
import { steadyMs } from "../../../sdk/steady.ts";
import { Fleet } from "./fleet.ts";

const host: HostState = {
  host: "a",
  // Nobody listens there.
  address: "127.0.0.1:1",
  runtime: "docker",
  cpu: 4,
  memoryBytes: 2 ** 30,
  gpu: 0,
  labels: {},
  zone: "",
  costPerHour: 0,
  speed: 1,
  healthy: false,
  reachable: true,
  mode: ACTIVE,
};
const fleets: Fleet[] = [];
afterAll(() => {
  for (const fleet of fleets) fleet.close();
});

/** What is known of host "a" can be changed. */
function fleetOf(state: HostState | undefined) {
  const hosts = new Map(state === undefined ? [] : [["a", state]]);
  const fleet = new Fleet({ ready: Promise.resolve(), current: () => hosts, close: () => undefined });
  fleets.push(fleet);
  return { fleet, hosts };
}

describe("a host that does not answer", () => {
  test("but whose machine does is waited for, as its agent may be restarting, and at last is lost", () => {
    const { fleet } = fleetOf(host);
    const nowMs = steadyMs();
    expect(fleet.lost("a", nowMs)).toBeUndefined();
    expect(fleet.lost("a", nowMs + 200_000)).toBeUndefined();
    expect(fleet.lost("a", nowMs + 400_000)).toBe("its agent has not answered for 5 minutes");
  });

  test.each([-1, 1])("is waited for as long though the clock is set by %d hours", (hours) => {
    vi.useFakeTimers({ toFake: ["Date"] });
    onTestFinished(() => void vi.useRealTimers());
    vi.setSystemTime(Date.now() + hours * 3_600_000);
    const { fleet } = fleetOf(host);
    const nowMs = steadyMs();
    expect(fleet.lost("a", nowMs)).toBeUndefined();
    expect(fleet.lost("a", nowMs + 200_000)).toBeUndefined();
    expect(fleet.lost("a", nowMs + 400_000)).toBe("its agent has not answered for 5 minutes");
  });

  test.each([
    ["it does not answer", { ...host, reachable: false }],
    ["it was declared dead", { ...host, lost: { atMs: 1, token: 1, instances: [] } }],
  ])("is lost after a while when %s", (why, state) => {
    const { fleet } = fleetOf(state);
    const nowMs = steadyMs();
    expect(fleet.lost("a", nowMs)).toBeUndefined();
    expect(fleet.lost("a", nowMs + 10_000)).toBeUndefined();
    expect(fleet.lost("a", nowMs + 20_000)).toBe(why);
  });

  test("is lost after a while when it has left the mesh, and is not when it comes back in time", () => {
    const { fleet, hosts } = fleetOf(host);
    const nowMs = steadyMs();
    expect(fleet.lost("a", nowMs)).toBeUndefined();
    hosts.clear();
    expect(fleet.lost("a", nowMs)).toBeUndefined();
    hosts.set("a", host);
    expect(fleet.lost("a", nowMs + 15_000)).toBeUndefined();
    hosts.clear();
    expect(fleet.lost("a", nowMs + 30_000)).toBeUndefined();
    expect(fleet.lost("a", nowMs + 50_000)).toBe("it is not part of the mesh any more");
  });

  test("is lost though it was never seen by this process", () => {
    const { fleet } = fleetOf(undefined);
    const nowMs = steadyMs();
    expect(fleet.lost("a", nowMs)).toBeUndefined();
    expect(fleet.lost("a", nowMs + 20_000)).toBe("it is not part of the mesh any more");
  });
});
