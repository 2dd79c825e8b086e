import { expect, test } from "vitest";
import { decodeCallPoints } from "../../registry/otlp/calls.ts";
import { quantileMs } from "../../registry/usage/histogram.ts";
import { CallCounts } from "./counts.ts";
import { encodeCounts } from "./encode.ts";

const server = { service: "a.v1.A", version: "1.2.3", instance: "i-1", host: "h" };

test("what is counted arrives: by method, caller and status, with sums and buckets", () => {
  const counts = new CallCounts();
  counts.add("Get", undefined, 0, 10);
  counts.add("Get", undefined, 0, 0.000001);
  counts.add("Get", undefined, 0, 10 ** 9);
  counts.add("Get", "b.v1.B", 5, 250);
  counts.add("Put", "b.v1.B", 0, 0);
  const points = decodeCallPoints(encodeCounts(server, counts, Date.now()));
  const table = points.map(({ attributes, count, buckets }) => [
    attributes["rpc.method"],
    attributes["rouse.caller"],
    attributes["rpc.grpc.status_code"],
    count,
    [...buckets.values()],
  ]);
  expect(table).toEqual([
    ["Get", "outside", 0, 3, [1, 1, 1]],
    ["Get", "b.v1.B", 5, 1, [1]],
    ["Put", "b.v1.B", 0, 1, [1]],
  ]);
  expect(points[1]?.seconds).toBeCloseTo(0.25);
  expect(Math.abs(quantileMs(points[1]?.buckets ?? new Map(), 0.5) - 250) / 250).toBeLessThan(0.1);
  expect(points[0]?.resource).toEqual({
    "service.name": "a.v1.A",
    "service.version": "1.2.3",
    "service.instance.id": "i-1",
    "host.name": "h",
  });
});

test("callers without number are one from some number on", () => {
  const counts = new CallCounts();
  for (let index = 0; index < 1_000; index++) counts.add("Get", `c${index}.v1.C`, 0, 1);
  counts.add("Get", "x".repeat(10_000), 0, 1);
  const sums = [...counts.sums()];
  expect(sums).toHaveLength(65);
  expect(sums.find(({ caller }) => caller === "other")?.calls).toBe(937);
});
