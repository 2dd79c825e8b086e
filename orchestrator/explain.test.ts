import { pino } from "pino";
import { describe, expect, test } from "vitest";
import type { ExplainPlacementResponse, PlacedInstance } from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import { placementLines } from "../cli/placement-lines.ts";
import { instance, manifest, TestMesh, version } from "../mesh-config/testing/state.ts";
import { steadyMs } from "../sdk/steady.ts";
import { explained, explainPlacement } from "./explain.ts";
import { aKeeper } from "./health/testing/a-keeper.ts";
import { Orchestrator } from "./orchestrator.ts";
import { whatWouldHelp } from "./placement/changes.ts";
import type { PlaceableHost } from "./placement/host.ts";
import { judge } from "./placement/place.ts";
import { filled, host, hostState, needs, running } from "./placement/testing/fleet.ts";

function placed(id: string, host: string, over: Partial<PlacedInstance> = {}): PlacedInstance {
  const still = { starting: false, draining: false, standby: false };
  return { id, host, generation: 1, ...still, why: "", condition: undefined, ejections: [], ...over };
}

const NOW = 1_000_000;

function lines(hosts: readonly PlaceableHost[], over: Partial<ExplainPlacementResponse> = {}): string[] {
  return placementLines(
    {
      service: "a.v1.Service",
      version: "1.0.0",
      leading: true,
      minInstances: 0,
      maxInstances: 4,
      rules: "",
      instances: [],
      obstacles: [],
      fault: "",
      ...explained(judge(needs(), hosts), () => whatWouldHelp(needs(), hosts)),
      ...over,
    },
    NOW,
  );
}

describe("rouse explain says", () => {
  test("where one more would go, with the sums, and what keeps it from other hosts", () => {
    const hosts = [
      running("a", "a.v1.Service", 1),
      filled("b", 0.5),
      filled("c", 1, 0, { mode: "cordoned", labels: { disk: "ssd" } }),
    ];
    const instances = [
      placed("service-1", "a", { why: "the only host: 0.18 = fit 0.18" }),
      placed("service-2", "b", { starting: true, why: "best of 2 hosts: 0.74 = fit 0.74" }),
    ];
    const rules = "spread over zone";
    expect(lines(hosts, { instances, rules })).toEqual([
      "a.v1.Service 1.0.0: 2 instances, 0 to 4 by its settings",
      "placement by its contract: spread over zone",
      "",
      "INSTANCE   HOST  WHY THERE",
      "service-1  a     the only host: 0.18 = fit 0.18",
      "service-2  b     starting; best of 2 hosts: 0.74 = fit 0.74",
      "",
      "One more would go to b.",
      "",
      "HOST  SCORE  WHY",
      "b     0.82   fit 0.82: 63 % of its cores and 53 % of its memory would be given away",
      "a     -0.82  fit 0.18: 13 % of its cores and 3 % of its memory would be given away; apart -1.00: it has 1, others 0",
      "c            is cordoned; has 0 of 4 cores free, 0.5 needed",
    ]);
  });

  test("which instances are on standby or leave, and do not count them as running", () => {
    const instances = [
      placed("service-1", "a", { why: "the only host" }),
      placed("service-2", "a", { standby: true, why: "the only host" }),
      placed("service-3", "a", { draining: true, why: "the only host" }),
    ];
    expect(lines([host("a")], { instances }).slice(0, 6)).toEqual([
      "a.v1.Service 1.0.0: 2 instances and 1 on standby, 0 to 4 by its settings",
      "",
      "INSTANCE   HOST  WHY THERE",
      "service-1  a     the only host",
      "service-2  a     on standby; the only host",
      "service-3  a     takes no new calls; the only host",
    ]);
    expect(lines([host("a")], { instances: instances.slice(1, 2) })[0]).toBe(
      "a.v1.Service 1.0.0: 1 on standby, 0 to 4 by its settings",
    );
  });

  test("what would have to change where no host fits", () => {
    expect(lines([filled("b", 1, 0), host("c", { mode: "cordoned" })])).toEqual([
      "a.v1.Service 1.0.0: no instance, 0 to 4 by its settings",
      "",
      "No host fits one more.",
      "What would help: uncordon c, or free 0.5 cores on b.",
      "",
      "HOST  SCORE  WHY",
      "b            has 0 of 4 cores free, 0.5 needed",
      "c            is cordoned",
    ]);
  });

  test("first what keeps it from being started, then what speaks against instances, by whom and for how long", () => {
    const condition = {
      name: "quarantined",
      reason: "5 of its last 6 calls ended with a gateway or server error",
      sinceMs: NOW - 3_000,
      untilMs: NOW + 17_000,
      strikes: 2,
    };
    const ejection = {
      host: "b",
      times: 2,
      why: "after 5 errors in a row",
      sinceMs: NOW - 4_000,
      untilMs: NOW + 6_000,
    };
    const lately = { ...condition, name: "healthy", reason: "", untilMs: 0, strikes: 1 };
    const said = lines([host("a")], {
      obstacles: ["It was stopped 5 s ago: broken.", "It has as many\nas it may."],
      fault: "3 of its 3 instances do badly",
      instances: [
        placed("service-1", "a", { condition, ejections: [ejection, { ...ejection, host: "c", times: 1 }] }),
        placed("service-2", "a", { condition: lately }),
        placed("service-3", "a", { condition: { ...condition, name: "probation" } }),
      ],
    });
    expect(said.slice(1, 5)).toEqual([
      "The version is at fault: 3 of its 3 instances do badly.",
      "It was stopped 5 s ago: broken.",
      "It has as many",
      "as it may.",
    ]);
    const of = "5 of its last 6 calls ended with a gateway or server error";
    expect(said.slice(11, 19)).toEqual([
      `service-1 is quarantined for 3 s now and 17 s more, quarantined 2 times so far: ${of}`,
      "service-1 is left out by the Envoy of host b after 5 errors in a row, for 4 s now and 6 s more at the longest; 2 times within two minutes",
      "service-1 is left out by the Envoy of host c after 5 errors in a row, for 4 s now and 6 s more at the longest",
      "service-2 is healthy for 3 s now, and was quarantined once lately",
      `service-3 is on probation for 3 s now and 17 s more, quarantined 2 times so far: ${of}`,
      "",
      "But for what is said above, one more would go to a.",
      "",
    ]);
  });

  test("that there is no host, and that none leads", () => {
    const instances = [placed("service-1", "a")];
    expect(lines([], { leading: false, instances })).toEqual([
      "a.v1.Service 1.0.0: 1 instance, 0 to 4 by its settings",
      "",
      "INSTANCE   HOST  WHY THERE",
      "service-1  a     not known: it was started by an older Rouse",
      "",
      'There is no host: start an agent with "rouse agent" or "rouse up".',
      "",
      "No orchestrator leads now: starts under way and recent failures are not considered.",
    ]);
  });
});

test("the leader explains what it would do: what it replaces is in nobody's way, and a back-off ends by its own clock", () => {
  const placement = {
    spread: [{ over: "host", strict: true, weight: 100 }],
    ...{ affinity: [], antiAffinity: [] },
  };
  // By the clock of a former leader, which was an hour ahead.
  const retryAtMs = steadyMs() + 3_600_000;
  const failure = { status: "UNAVAILABLE" as const, message: "it exited", retryAtMs };
  const mesh = new TestMesh();
  mesh.put(
    version(manifest("a.v1.A", "1.0.0", { placement }), { generation: 1, failures: 3, failure }, [
      { ...instance("1", 1, "127.0.0.1:2"), host: "a" },
    ]),
  );
  const log = pino({ level: "silent" });
  const health = aKeeper({ token: () => undefined });
  const orchestrator = new Orchestrator({
    id: "a",
    log,
    mesh: {
      current: () => mesh.state,
      hosts: () => [hostState("a")],
      updateActivation: () => Promise.reject(new Error("nothing is activated here")),
    },
    advisers: [health, { advise: () => ({ unfit: new Set(["1"]) }) }],
  });
  try {
    const ask = () => explainPlacement(orchestrator, health, { service: "a.v1.A", version: "" });
    const before = ask();
    expect(before).toMatchObject({ leading: false, nextHost: "" });
    orchestrator.lead(1);
    const said = ask();
    expect(said).toMatchObject({ leading: true, nextHost: "a", changes: [] });
    for (const { obstacles } of [before, said])
      expect(obstacles[0]).toMatch(/with the next call after \d s,/);
  } finally {
    orchestrator.close();
  }
});
