import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startHosts, type TestHosts, testHosts } from "./support/hosts.ts";
import { makeProbe, type Probe } from "./support/probe.ts";

const { available } = testHosts();

describe.runIf(available)("a mesh of several hosts", () => {
  let hosts: TestHosts;
  let probe: Probe;
  beforeAll(async () => {
    [hosts, probe] = await Promise.all([startHosts(3), makeProbe()]);
    await probe.register(hosts.of("h1").data);
  }, 240_000);
  afterAll(async () => {
    await hosts?.close();
    await probe?.remove();
  });

  test("each host's edge reaches an instance on any host", async () => {
    for (const host of hosts.all) {
      const answer = await host.rouse("call", "probe.v1.ProbeService/Echo", '{"text":"x"}');
      expect(answer).toContain("x");
    }
  });
});
