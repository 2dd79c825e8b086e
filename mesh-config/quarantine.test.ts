import { expect, test } from "vitest";
import type { Condition, HealthRecord } from "../registry/health-record.ts";
import { encodeJson } from "./proto/json.ts";
import { messageType } from "./proto/root.ts";
import { endpoints } from "./resources/endpoints.ts";
import { noExtras, planClusters } from "./resources/plan.ts";
import { instance, manifest, version } from "./testing/state.ts";

const name = "a.v1.A";

function record(condition: Condition): HealthRecord {
  return { condition, sinceMs: 1, reason: "it answers with errors", strikes: 1 };
}

/** Addresses that Envoy gets, with their weights where they have one. */
function sent(given: Readonly<Record<string, Condition>>, draining: readonly string[] = []) {
  const ids = Object.keys(given).sort();
  const health = {
    token: 1,
    instances: Object.fromEntries(Object.entries(given).map(([id, condition]) => [id, record(condition)])),
  };
  const instances = ids.map((id) => ({ ...instance(id, 1, `unix:/${id}`), draining: draining.includes(id) }));
  const state = { ...version(manifest(name, "1.0.0"), { generation: 1, served: true }, instances), health };
  const [plan] = planClusters(name, state, noExtras);
  if (plan?.kind !== "warm") throw new Error("not warm");
  const json = endpoints("a", plan.endpoints);
  const type = "envoy.config.endpoint.v3.ClusterLoadAssignment";
  const { endpoints: localities } = messageType(type).decode(encodeJson(type, json)).toJSON() as {
    endpoints: {
      lb_endpoints: { endpoint: { address: unknown }; load_balancing_weight?: { value: number } }[];
    }[];
  };
  return localities.flatMap(({ lb_endpoints: all }) =>
    all.map(({ endpoint, load_balancing_weight: weight }) => {
      const id = /"\/(\w+)"/.exec(JSON.stringify(endpoint))?.[1];
      return weight === undefined ? id : `${id}:${weight.value}`;
    }),
  );
}

test("suspects are called like healthy ones, quarantined and retired ones are not", () => {
  expect(sent({ a: "healthy", b: "suspect", c: "quarantined", d: "retired" })).toEqual(["a", "b"]);
});

test("one on probation gets a small share", () => {
  expect(sent({ a: "healthy", b: "probation", c: "quarantined" })).toEqual(["a:10", "b:1"]);
});

test("a version is never left without an endpoint", () => {
  expect(sent({ a: "quarantined", b: "retired" })).toEqual(["a", "b"]);
  expect(sent({ a: "healthy", b: "quarantined" }, ["a"])).toEqual(["a", "b"]);
});
