import { pino } from "pino";
import { expect, test } from "vitest";
import { z } from "zod";
import { consulOfFile } from "../test/support/consul-of-file.ts";
import { Registrations } from "./registrations.ts";
import { until } from "./testing/rig.ts";

const { server, consul } = await consulOfFile();

const answer = z.array(
  z.object({ Service: z.object({ ID: z.string(), Meta: z.record(z.string(), z.string()) }) }),
);

const instance = (id: string, generation: number) => ({
  ...{ service: "l.A", id, version: "1.0.0", generation, host: "h1", runtime: "process" },
  ...{ address: "127.0.0.1:4711", cpu: 1, memoryBytes: 2 ** 27, gpu: 0 },
});

test("a catalog that was put back to an earlier state shows the host's instances as they are again", async () => {
  const shows = async (...wanted: readonly string[]) => {
    const { text } = await consul.request("GET", "/v1/health/service/l.A");
    const listed = answer
      .parse(JSON.parse(text))
      .map(({ Service }) => `${Service.ID} ${Service.Meta.generation}`);
    return listed.sort().join() === [...wanted].sort().join();
  };
  const registrations = new Registrations(consul, "h1", pino({ level: "silent" }));
  registrations.start();
  const url = `http://${server.address}/v1/snapshot`;
  // Consul's own comparison, each minute or so, may help once.
  for (const round of [1, 2, 3]) {
    registrations.set(instance("ended", round));
    registrations.set(instance("stays", round));
    await registrations.remove("new");
    await until("two are listed", () => shows(`ended ${round}`, `stays ${round}`));
    const snapshot = await (await fetch(url)).arrayBuffer();
    await registrations.remove("ended");
    registrations.set(instance("stays", round + 1));
    registrations.set(instance("new", round));
    const now = () => shows(`stays ${round + 1}`, `new ${round}`);
    await until("what runs is listed", now);
    expect((await fetch(url, { method: "PUT", body: snapshot })).ok).toBe(true);
    await until("what runs is listed again", now);
  }
  registrations.close();
});
