import { Server } from "@grpc/grpc-js";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { listen } from "../../sdk/grpc.ts";
import { Orchestrator } from "../orchestrator.ts";
import { ScalingAdviser } from "./adviser.ts";
import { copyRecorded } from "./load-keeper.ts";
import { RecordedLoads } from "./recorded.ts";
import { addScalingService } from "./service.ts";

const name = { service: "a.v1.A", version: "1.0.0" };
const log = pino({ level: "silent" });
let server: Server;
let address: string;
let leader: RecordedLoads;
let follower: RecordedLoads;
beforeEach(async () => {
  leader = new RecordedLoads();
  follower = new RecordedLoads();
  server = new Server();
  const mesh = {
    current: () => ({ services: new Map() }),
    hosts: () => [],
    updateActivation: () => Promise.reject(new Error("nothing is activated here")),
  };
  const orchestrator = new Orchestrator({ id: "a", log, mesh });
  addScalingService(server, orchestrator, new ScalingAdviser(leader), leader);
  address = await listen(server, "127.0.0.1:0");
});
afterEach(() => {
  server.forceShutdown();
  leader.close();
  follower.close();
});

const record = (seconds: number, fromMs = 0) => {
  for (let s = 0; s < seconds; s++)
    leader.add(name, { inProgress: s % 7, issued: 1, instances: 1 }, fromMs + s * 1_000);
};

test("a follower takes over all that the leader has recorded, and later what is new", async () => {
  record(12_345);
  await copyRecorded(address, follower);
  expect(follower.of(name)).toHaveLength(12_345);
  expect(follower.of(name)).toEqual(leader.of(name));
  record(10, 12_344_000);
  await copyRecorded(address, follower);
  expect(follower.of(name)).toEqual(leader.of(name));
});
