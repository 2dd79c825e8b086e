import { pino } from "pino";
import { expect, test } from "vitest";
import type { HealthRecord } from "../../registry/health-record.ts";
import type { HostState } from "../../registry/hosts.ts";
import { HostKeeper } from "./host-keeper.ts";
import { Outcomes } from "./outcomes.ts";

const nowMs = 10_000_000;
const aheadMs = nowMs + 3_600_000;

test("a host's quarantine that a former leader wrote by a clock an hour ahead ends within its span, and is written so", () => {
  const health: HealthRecord = {
    ...{ condition: "quarantined", sinceMs: aheadMs, untilMs: aheadMs + 60_000, reason: "b", strikes: 1 },
  };
  const hosts = [
    { host: "a", healthy: true },
    { host: "b", healthy: true, health },
  ] as HostState[];
  const written: [string, HealthRecord | undefined][] = [];
  const keeper = new HostKeeper({
    log: pino({ level: "silent" }),
    outcomes: new Outcomes(),
    token: () => 1,
    hosts: () => hosts,
    write: async (...record) => void written.push(record),
  });
  keeper.lead(nowMs);
  const clamped = { ...health, sinceMs: nowMs, untilMs: nowMs + 60_000 };
  expect(written).toEqual([["b", clamped]]);
  keeper.look(nowMs + 59_999);
  expect(keeper.list().get("b")?.condition).toBe("quarantined");
  keeper.look(nowMs + 60_000);
  expect(keeper.list().get("b")?.condition).toBe("probation");
  keeper.reset();
});
