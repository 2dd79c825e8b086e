import { describe, expect, test } from "vitest";
import type { LoadStatsRequest } from "../proto/wire.ts";
import { Loads } from "./loads.ts";

const cluster = "a.v1.A@1.0.0#2";
const target = { service: "a.v1.A", version: "1.0.0", generation: 2 };

function endpoint(port: number, inProgress: number, issued: number, errors = 0) {
  return {
    address: { socket_address: { address: "127.0.0.1", port_value: port } },
    total_requests_in_progress: inProgress,
    total_issued_requests: issued,
    total_error_requests: errors,
  };
}

function report(endpoints: readonly ReturnType<typeof endpoint>[]): LoadStatsRequest {
  const sum = (of: "total_requests_in_progress" | "total_issued_requests") =>
    endpoints.reduce((all, one) => all + one[of], 0);
  return {
    cluster_stats: [
      {
        cluster_name: cluster,
        upstream_locality_stats: [
          {
            total_requests_in_progress: sum("total_requests_in_progress"),
            total_issued_requests: sum("total_issued_requests"),
            upstream_endpoint_stats: endpoints,
          },
        ],
        load_report_interval: { seconds: 1, nanos: 0 },
      },
    ],
  };
}

describe("loads", () => {
  test("are summed over Envoys, as a whole and by instance", () => {
    const loads = new Loads();
    loads.report("one", report([endpoint(1, 2, 5), endpoint(2, 1, 4, 3)]));
    loads.report("two", report([endpoint(1, 1, 2)]));
    const { loads: taken } = loads.take(["one"]);
    expect(taken).toEqual([
      {
        target,
        inProgress: 4,
        issued: 11,
        endpoints: [
          { address: "127.0.0.1:1", inProgress: 3, issued: 7, errors: 0 },
          { address: "127.0.0.1:2", inProgress: 1, issued: 4, errors: 3 },
        ],
      },
    ]);
  });

  test("count what began once, and what is open until the next report", () => {
    const loads = new Loads();
    loads.report("one", report([endpoint(1, 2, 5)]));
    loads.take(["one"]);
    expect(loads.take(["one"]).loads).toEqual([
      {
        target,
        inProgress: 2,
        issued: 0,
        endpoints: [{ address: "127.0.0.1:1", inProgress: 2, issued: 0, errors: 0 }],
      },
    ]);
    loads.report("one", report([endpoint(1, 0, 0)]));
    expect(loads.take(["one"]).loads).toEqual([]);
  });

  test("tell unix sockets and IPv6 as instances do", () => {
    const loads = new Loads();
    const pipe = { ...endpoint(0, 1, 1), address: { pipe: { path: "/run/a.sock" } } };
    const ip6 = { ...endpoint(0, 1, 1), address: { socket_address: { address: "::1", port_value: 7 } } };
    loads.report("one", report([pipe as never, ip6]));
    const [load] = loads.take(["one"]).loads;
    expect(load?.endpoints.map(({ address }) => address)).toEqual(["unix:/run/a.sock", "[::1]:7"]);
  });

  test("are known until the time up to which the slowest Envoy has reported", () => {
    const loads = new Loads();
    loads.report("one", report([endpoint(1, 2, 5)]));
    expect(loads.complete(["one", "two"])).toBe(false);
    const partly = loads.take(["one", "two"]);
    expect(partly).toMatchObject({ untilMs: 0, loads: [{ inProgress: 2 }] });
    loads.report("two", report([]));
    expect(loads.complete(["one", "two"])).toBe(false);
    loads.report("one", report([]));
    expect(loads.complete(["one", "two"])).toBe(true);
    expect(loads.take(["one", "two"]).untilMs).toBeGreaterThan(1_000);
  });

  test("tell the zones that calls came from, where Envoys have one", () => {
    const loads = new Loads();
    loads.stands("one", "east");
    loads.stands("two", "");
    loads.stands("three", "west");
    loads.report("one", report([endpoint(1, 2, 5)]));
    loads.report("two", report([endpoint(1, 1, 2)]));
    loads.report("three", report([endpoint(1, 0, 1)]));
    loads.report("three", report([endpoint(1, 0, 3)]));
    expect(loads.take(["one"]).callers).toEqual([
      { target, zone: "east", issued: 5 },
      { target, zone: "west", issued: 4 },
    ]);
    expect(loads.take(["one"]).callers).toEqual([]);
  });
});
