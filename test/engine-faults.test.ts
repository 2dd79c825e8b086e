import type { ContainerInfo } from "dockerode";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readHosts } from "../cli/host-modes.ts";
import { createProbeServiceClient } from "./fixtures/probe/gen/probe/v1/probe.client.ts";
import { mayStartDockerd } from "./support/dockerd.ts";
import { startHosts, type TestHosts, testHosts } from "./support/hosts.ts";
import { liveVersions, until } from "./support/live.ts";
import { makeProbe, type Probe } from "./support/probe.ts";
import { traffic } from "./support/traffic.ts";

const service = "probe.v1.ProbeService";
/** Always called. */
const WARM = "1.0.0";
/** Never called: what wakes it is wrong. */
const COLD = "2.0.0";
const SLOW_MS = 120_000;

describe.runIf(testHosts().available && mayStartDockerd)(
  "engines that are killed and end their containers when they are back: two hosts, two instances, calls from both hosts",
  () => {
    let hosts: TestHosts;
    const probes: Probe[] = [];
    beforeAll(async () => {
      hosts = await startHosts([{ dockerd: "default" }, { dockerd: "default" }]);
      for (const options of [{ version: WARM, minInstances: 2 }, { version: COLD }]) {
        const probe = await makeProbe(options);
        probes.push(probe);
        await probe.register(hosts.of("h1").data);
      }
    }, 300_000);
    afterAll(async () => {
      await hosts?.close();
      for (const probe of probes) await probe.remove();
    });

    /** Instances of the warm version that take calls, with their hosts. */
    const serving = async () =>
      (await readHosts(hosts.of("h1").registry)).flatMap(({ name: host, running }) =>
        running
          .filter(({ service: of, version, healthy, draining }) => {
            return of === service && version === WARM && healthy && !draining;
          })
          .map(({ id }) => ({ id, host })),
      );
    const isOnBoth = async () => {
      const all = await serving();
      return all.length === 2 && new Set(all.map(({ host }) => host)).size === 2;
    };
    /** Both may run on one host, and another be blamed for what it could not start. */
    const spread = async () => {
      await until("two instances serve", async () => (await serving()).length === 2, SLOW_MS);
      const [first, second] = await serving();
      if (first === undefined || first.host !== second?.host) return;
      const { name, killInstance } = hosts.of(first.host);
      const h1 = hosts.of("h1");
      await h1.rouse("cordon", name, "--reason", "the next one is for the other host");
      await killInstance(first.id);
      await until("an instance serves on each host", isOnBoth, SLOW_MS);
      await h1.rouse("uncordon", name);
    };
    /** Names and states of a host's containers that serve nothing: all but instances, what is pre-created, and their running sandboxes. */
    const leftOver = async (name: string) => {
      const all = (await hosts.of(name).dockerd?.docker.listContainers({ all: true })) ?? [];
      const names = new Set((await serving()).map(({ id }) => `/rouse-${id}`));
      const isUseful = ({ Names: [name = ""], State }: ContainerInfo) =>
        (names.has(name) && State === "running") || (name.startsWith("/rouse-slot-") && State === "created");
      const useful = all.filter(isUseful);
      const networks = new Set(useful.map(({ HostConfig }) => HostConfig.NetworkMode));
      const rest = all.filter((one) => {
        return !useful.includes(one) && !(one.State === "running" && networks.has(`container:${one.Id}`));
      });
      return rest.map(({ Names: [name = ""], State }) => `${name} ${State}`);
    };
    const isSpare = (container: string) => /^\/rouse-sandbox-\w+ running$/.test(container);

    test.for(["h2", "h1"])(
      "the engine of %s: callers lose nothing, what ended is replaced, nothing wakes, and no container is left over",
      { timeout: 300_000 },
      async (name) => {
        await spread();
        const { dockerd } = hosts.of(name);
        const before = await serving();
        const victim = before.find(({ host }) => host === name)?.id ?? "";
        const other = before.find(({ host }) => host !== name)?.id ?? "";
        const clients = hosts.all.map(({ edge }) =>
          createProbeServiceClient({ target: edge, version: WARM }),
        );
        const calls = clients.map((client) => traffic(client, 3));
        try {
          for (const each of calls) await each.more(30);
          await dockerd?.kill();
          for (const each of calls) await each.more(60);
          await dockerd?.start();
          await until(
            "another takes its place",
            async () => {
              const now = (await serving()).map(({ id }) => id);
              return now.length === 2 && now.includes(other) && !now.includes(victim);
            },
            SLOW_MS,
          );
          for (const each of calls) await each.more(60);
        } finally {
          for (const each of calls) await each.stop();
          for (const client of clients) client.close();
        }
        for (const each of calls) expect((await each.stop()).failures).toEqual([]);
        let left: string[] = [];
        await until(
          "nothing is left over but a spare sandbox",
          async () => {
            left = await leftOver(name);
            return left.length <= 1 && left.every(isSpare);
          },
          SLOW_MS,
        ).catch((error) => {
          throw new Error(`${error.message}; left are ${left.join(", ")}`);
        });
        const cold = (await liveVersions(hosts.of("h1"), service)).find(({ version }) => version === COLD);
        expect(cold).toMatchObject({ generation: 1, instances: [] });
      },
    );
  },
);
