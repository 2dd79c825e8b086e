import { expect, test } from "vitest";
import { StreamEnd as Envoy } from "../testing/stream-end.ts";
import type { Kind } from "./resource.ts";

test("the first request is answered, even if there is nothing", () => {
  const envoy = new Envoy();
  envoy.put({});
  envoy.subscribe("cluster", "*");
  envoy.subscribe("listener");
  expect(envoy.ackAll()).toEqual(["cluster", "listener"]);
});

test("routes wait until Envoy has the clusters and their endpoints", () => {
  const envoy = new Envoy();
  envoy.put({});
  envoy.subscribe("cluster", "*");
  envoy.subscribe("listener", "*");
  envoy.subscribe("route", "edge");
  envoy.ackAll();
  envoy.put({ cluster: { a: "1" }, endpoint: { a: "1" }, listener: { edge: "1" }, route: { edge: "1" } });
  expect(envoy.take()).toEqual(["cluster +a", "endpoint +a", "listener +edge"]);
  envoy.ack("cluster");
  // It asks for what was sent ahead, and is not sent it twice.
  envoy.subscribe("endpoint", "a");
  expect(envoy.take()).toEqual([]);
  envoy.ack("endpoint");
  expect(envoy.take()).toEqual(["route +edge"]);
});

test("a response waits until the one before is answered, and takes what came meanwhile", () => {
  const envoy = new Envoy();
  envoy.put({ cluster: { a: "1" } });
  envoy.subscribe("cluster", "*");
  expect(envoy.take()).toEqual(["cluster +a"]);
  envoy.put({ cluster: { b: "1" } });
  envoy.put({ cluster: { c: "1", a: "2" } });
  expect(envoy.take()).toEqual([]);
  envoy.ack("cluster");
  expect(envoy.take()).toEqual(["cluster +b +c +a"]);
});

test("what is refused is not sent again until it changes", () => {
  const envoy = new Envoy();
  envoy.put({ cluster: { a: "1" } });
  envoy.subscribe("cluster", "*");
  envoy.ackAll();
  envoy.put({ cluster: { a: "bad" } });
  envoy.take();
  envoy.ack("cluster", "a is bad");
  const { cluster } = envoy.stream.subscriptions;
  expect(cluster.nack).toBe("a is bad");
  envoy.put({ cluster: { b: "1" } });
  envoy.subscribe("cluster", "a");
  expect(envoy.ackAll()).toEqual(["cluster +b"]);
  // Back to what Envoy has kept: nothing to send but the name that was asked for.
  envoy.put({ cluster: { a: "3" } });
  expect(envoy.ackAll()).toEqual(["cluster +a"]);
  expect(cluster.nack).toBe("");
});

test("routes that Envoy refused keep the clusters they would have freed", () => {
  const envoy = new Envoy();
  envoy.put({ cluster: { old: "1" }, route: { edge: "old" } });
  envoy.subscribe("cluster", "*");
  envoy.subscribe("route", "edge");
  envoy.ackAll();
  envoy.put({ cluster: { old: "", new: "1" }, route: { edge: "new" } });
  expect(envoy.take()).toEqual(["cluster +new"]);
  envoy.ack("cluster");
  expect(envoy.take()).toEqual(["route +edge"]);
  envoy.ack("route", "no");
  expect(envoy.take()).toEqual([]);
  envoy.put({ route: { edge: "newer" } });
  expect(envoy.ackAll()).toEqual(["route +edge", "cluster -old"]);
});

test("an answer to an older response changes the subscription, and nothing else", () => {
  const envoy = new Envoy();
  envoy.put({ endpoint: { a: "1", b: "1" } });
  envoy.subscribe("endpoint", "a");
  expect(envoy.take()).toEqual(["endpoint +a"]);
  envoy.request("endpoint", { response_nonce: "other", resource_names_subscribe: ["b"] });
  expect(envoy.take()).toEqual([]);
  envoy.ack("endpoint");
  expect(envoy.take()).toEqual(["endpoint +b"]);
});

test("a name that is asked for again is sent again", () => {
  const envoy = new Envoy();
  envoy.put({ cluster: { a: "1" } });
  envoy.subscribe("cluster", "*");
  envoy.ackAll();
  envoy.subscribe("cluster", "a");
  expect(envoy.ackAll()).toEqual(["cluster +a"]);
  envoy.request("cluster", { resource_names_unsubscribe: ["a"] });
  expect(envoy.ackAll()).toEqual(["cluster +a"]);
});

test("a held call's cluster is waited for; one that cannot come is answered", () => {
  const envoy = new Envoy();
  envoy.put({});
  envoy.subscribe("cluster", "*");
  envoy.ackAll();
  envoy.subscribe("cluster", "cold");
  envoy.subscribe("cluster", "stale");
  expect(envoy.ackAll()).toEqual(["cluster -stale"]);
  expect(new Set(envoy.asked)).toEqual(new Set(["cold held", "stale held"]));
  envoy.put({ cluster: { cold: "1" }, endpoint: { cold: "1" } });
  expect(envoy.ackAll()).toEqual(["cluster +cold", "endpoint +cold"]);
});

test("a held call's cluster that is gone again before it could be sent is asked for anew", () => {
  const envoy = new Envoy();
  envoy.put({ cluster: { other: "1" } });
  envoy.subscribe("cluster", "*");
  envoy.ackAll();
  for (const asked of ["before", "meanwhile"]) {
    const [cold, stale] = [`cold-${asked}`, `stale-${asked}`];
    if (asked === "before") envoy.subscribe("cluster", cold, stale);
    envoy.ackAll();
    // Envoy has not answered this one when the others come and go.
    envoy.put({ cluster: { other: asked } });
    expect(envoy.take()).toEqual(["cluster +other"]);
    envoy.put({ cluster: { [cold]: "1", [stale]: "1" } });
    if (asked === "meanwhile") envoy.subscribe("cluster", cold, stale);
    envoy.asked.length = 0;
    envoy.put({ cluster: { [cold]: "", [stale]: "" } });
    expect(envoy.asked).toContain(`${cold} held`);
    envoy.ack("cluster");
    if (asked === "meanwhile") expect(envoy.ackAll()).toEqual([`cluster -${stale}`]);
    envoy.put({ cluster: { [cold]: "2" } });
    expect(envoy.ackAll()).toContain(`cluster +${cold}`);
  }
});

test("a cluster with another's endpoints is followed by those, though Envoy has them", () => {
  const envoy = new Envoy();
  envoy.put({ cluster: { new: "1" }, endpoint: { new: "1" } });
  envoy.subscribe("cluster", "*");
  envoy.subscribe("endpoint", "new");
  envoy.ackAll();
  envoy.aliases.set("cold", "new");
  envoy.put({ cluster: { cold: "1" } });
  expect(envoy.ackAll()).toEqual(["cluster +cold", "endpoint +new"]);
});

test("endpoints wait for their cluster, which they follow", () => {
  const envoy = new Envoy();
  envoy.put({ cluster: { a: "1", b: "1" }, endpoint: { a: "1", b: "1" } });
  envoy.subscribe("cluster", "*");
  envoy.subscribe("endpoint", "a", "b");
  envoy.ackAll();
  envoy.put({ cluster: { b: "2" } });
  expect(envoy.take()).toEqual(["cluster +b", "endpoint +b"]);
  envoy.put({ cluster: { a: "2" }, endpoint: { a: "2", b: "2" } });
  envoy.ack("endpoint");
  expect(envoy.take()).toEqual(["endpoint +b"]);
  envoy.ack("endpoint");
  expect(envoy.take()).toEqual([]);
  envoy.ack("cluster");
  expect(envoy.ackAll()).toEqual(["cluster +a", "endpoint +a"]);
  // Nor do they wait for one that Envoy refuses.
  envoy.put({ cluster: { a: "bad" } });
  envoy.take();
  envoy.put({ endpoint: { a: "3" } });
  envoy.ack("endpoint");
  envoy.ack("cluster", "no");
  expect(envoy.ackAll()).toEqual(["endpoint +a"]);
});

test("after a reconnect an alias's endpoints are sent though Envoy has them: it may be warming", () => {
  const envoy = new Envoy();
  envoy.aliases.set("cold", "new");
  envoy.put({ cluster: { new: "1", cold: "1" }, endpoint: { new: "1" } });
  const had = (kind: Kind, ...names: string[]) =>
    new Map(names.map((name) => [name, envoy.version(kind, name)]));
  envoy.request("cluster", {
    resource_names_subscribe: ["*"],
    initial_resource_versions: had("cluster", "new", "cold"),
  });
  envoy.request("endpoint", {
    resource_names_subscribe: ["new"],
    initial_resource_versions: had("endpoint", "new"),
  });
  expect(envoy.ackAll()).toEqual(["cluster", "endpoint +new"]);
});

test("after a reconnect only what differs is sent, and nothing is taken away before the routes", () => {
  const envoy = new Envoy();
  envoy.put({
    cluster: { a: "1", b: "2" },
    endpoint: { a: "1", b: "1" },
    listener: { edge: "1" },
    route: { edge: "2" },
  });
  envoy.request("cluster", {
    resource_names_subscribe: ["*", "a", "b", "dead", "cold"],
    initial_resource_versions: new Map([
      ["a", envoy.version("cluster", "a")],
      ["b", "older"],
      ["gone", "1"],
    ]),
  });
  expect(envoy.had).toEqual(["a", "b", "gone"]);
  expect(new Set(envoy.asked)).toEqual(new Set(["dead", "cold", "cold held"]));
  envoy.request("endpoint", {
    resource_names_subscribe: ["a", "b"],
    initial_resource_versions: new Map(["a", "b"].map((name) => [name, envoy.version("endpoint", name)])),
  });
  // Envoy makes its watch for b anew, so that goes with the cluster.
  expect(envoy.ackAll()).toEqual(["cluster +b -dead", "endpoint +b"]);
  envoy.request("listener", {
    resource_names_subscribe: ["*"],
    initial_resource_versions: new Map([["edge", envoy.version("listener", "edge")]]),
  });
  envoy.request("route", {
    resource_names_subscribe: ["edge"],
    initial_resource_versions: new Map([["edge", "older"]]),
  });
  expect(envoy.ackAll()).toEqual(["listener", "route +edge", "cluster -gone"]);
});

test("a list that was to go ahead and went away before it could is answered when Envoy asks for it", () => {
  const envoy = new Envoy();
  envoy.put({ cluster: { a: "1" }, endpoint: { a: "1" } });
  envoy.subscribe("cluster", "*");
  expect(envoy.take()).toEqual(["cluster +a", "endpoint +a"]);
  envoy.ack("cluster");
  envoy.put({ cluster: { b: "1" }, endpoint: { b: "1" } });
  expect(envoy.take()).toEqual(["cluster +b"]);
  envoy.put({ endpoint: { b: "" } });
  envoy.ack("endpoint");
  expect(envoy.take()).toEqual([]);
  envoy.subscribe("endpoint", "a", "b");
  expect(envoy.take()).toEqual(["endpoint -b"]);
});

test("many resources go out in several responses", () => {
  const envoy = new Envoy();
  const big = "x".repeat(600_000);
  envoy.put({
    cluster: Object.fromEntries(["a", "b", "c", "d", "e", "f"].map((name) => [name, name + big])),
  });
  envoy.subscribe("cluster", "*");
  expect(envoy.ackAll()).toEqual(["cluster +a +b +c +d", "cluster +e +f"]);
});
