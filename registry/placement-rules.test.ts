import { expect, test } from "vitest";
import { placementRulesSchema, placementText } from "./placement-rules.ts";

const weight = 50;

test("the rules in words", () => {
  const rules = placementRulesSchema.parse({
    core: true,
    spread: [
      { over: "host", strict: true, weight },
      { over: "zone", strict: false, weight },
    ],
    affinity: [{ label: "disk=ssd", strict: false, weight }],
    antiAffinity: [{ service: "a.v1.Noisy", strict: true, weight }],
    prefer: "cheap",
    maxCostPerHour: 1.5,
  });
  expect(placementText(rules)).toBe(
    "with the mesh, one for each host, spread over zone, near disk=ssd, never near a.v1.Noisy, on cheap hosts, at most 1.5 per hour",
  );
  expect(placementText({ spread: [], affinity: [], antiAffinity: [] })).toBe("anywhere");
});

test("a rule names a label or a service, one of them", () => {
  const broken = { spread: [], affinity: [{ strict: false, weight }], antiAffinity: [] };
  const { error } = placementRulesSchema.safeParse(broken);
  expect(error?.issues.map(({ path, message }) => [path.join("."), message])).toEqual([
    ["affinity.0", "names either a label or a service"],
  ]);
  const both = {
    spread: [],
    affinity: [{ label: "a=b", service: "c", strict: false, weight }],
    antiAffinity: [],
  };
  expect(placementRulesSchema.safeParse(both).success).toBe(false);
});
