import { describe, expect, test } from "vitest";
import type { ExplainPlacementResponse } from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import { placementLines } from "../cli/placement-lines.ts";
import { explained } from "./explain.ts";
import { whatWouldHelp } from "./placement/changes.ts";
import type { PlaceableHost } from "./placement/host.ts";
import { judge } from "./placement/place.ts";
import { filled, host, needs, running } from "./placement/testing/fleet.ts";

function lines(hosts: readonly PlaceableHost[], over: Partial<ExplainPlacementResponse> = {}): string[] {
  return placementLines({
    service: "a.v1.Service",
    version: "1.0.0",
    leading: true,
    minInstances: 0,
    maxInstances: 4,
    rules: "",
    instances: [],
    ...explained(judge(needs(), hosts), () => whatWouldHelp(needs(), hosts)),
    ...over,
  });
}

describe("rouse explain says", () => {
  test("where one more would go, with the sums, and what keeps it from other hosts", () => {
    const hosts = [
      running("a", "a.v1.Service", 1),
      filled("b", 0.5),
      filled("c", 1, 0, { mode: "cordoned", labels: { disk: "ssd" } }),
    ];
    const instances = [
      { id: "service-1", host: "a", generation: 1, starting: false, why: "the only host: 0.18 = fit 0.18" },
      { id: "service-2", host: "b", generation: 1, starting: true, why: "best of 2 hosts: 0.74 = fit 0.74" },
    ];
    const rules = "spread over zone";
    expect(lines(hosts, { instances, rules })).toEqual([
      "a.v1.Service 1.0.0: 2 instances, 0 to 4 by its contract",
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

  test("what would have to change where no host fits", () => {
    expect(lines([filled("b", 1, 0), host("c", { mode: "cordoned" })])).toEqual([
      "a.v1.Service 1.0.0: no instance, 0 to 4 by its contract",
      "",
      "No host fits one more.",
      "What would help: uncordon c, or free 0.5 cores on b.",
      "",
      "HOST  SCORE  WHY",
      "b            has 0 of 4 cores free, 0.5 needed",
      "c            is cordoned",
    ]);
  });

  test("that there is no host, and that none leads", () => {
    const instances = [{ id: "service-1", host: "a", generation: 1, starting: false, why: "" }];
    expect(lines([], { leading: false, instances })).toEqual([
      "a.v1.Service 1.0.0: 1 instance, 0 to 4 by its contract",
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
