import { expect, test } from "vitest";
import type { DeltaResponse } from "../proto/wire.ts";
import { lineOf, StreamEnd } from "../testing/stream-end.ts";
import { Page } from "./pages.ts";
import { type Kind, kindOf } from "./resource.ts";

const names = ["a", "b", "c", "d", "e"];
/** Bytes of a page that has two resources of what `contents` makes. */
const page = 1_000;
const pages = [
  "cluster +a +b",
  "endpoint +a +b",
  "cluster +c +d",
  "endpoint +c +d",
  "cluster +e",
  "endpoint +e",
];

/** The same content for each name. */
function contents(of: readonly string[], content = "1"): Record<string, string> {
  return Object.fromEntries(of.map((name) => [name, content.padEnd(700)]));
}

/** One that has nothing, and has asked for everything. */
function newcomer(): StreamEnd {
  const envoy = new StreamEnd(page);
  envoy.put({ cluster: contents(names), endpoint: contents(names), route: { edge: "1" } });
  come(envoy);
  return envoy;
}

function come(envoy: StreamEnd): void {
  envoy.subscribe("cluster");
  envoy.subscribe("route", "edge");
}

/** Accepts what comes, and asks for the lists of the clusters that it has not asked for; until there is nothing more. */
function follow(envoy: StreamEnd, most = Number.POSITIVE_INFINITY): DeltaResponse[] {
  const seen: DeltaResponse[] = [];
  while (envoy.sent.length > 0 && seen.length < most) {
    const response = envoy.sent.shift() as DeltaResponse;
    const kind = kindOf(response.typeUrl) as Kind;
    const { names } = envoy.stream.subscriptions.endpoint;
    seen.push(response);
    envoy.request(kind, { response_nonce: response.nonce });
    const added = response.resources.map(({ name }) => name).filter((name) => !names.has(name));
    if (kind === "cluster" && added.length > 0) envoy.subscribe("endpoint", ...added);
  }
  return seen;
}

test("all that come with nothing are sent the same pages, lists after their clusters, and then the routes", () => {
  const envoy = newcomer();
  const first = follow(envoy);
  expect(first.map(lineOf)).toEqual([...pages, "route +edge"]);
  envoy.reconnect();
  come(envoy);
  const second = follow(envoy);
  expect(second.length).toBe(7);
  for (const n of pages.keys()) {
    expect(first[n]).toBeInstanceOf(Page);
    expect(second[n]).toBe(first[n]);
  }
  // It shares with the others what it has.
  const { cluster, endpoint } = envoy.stream.subscriptions;
  for (const { size, apart } of [cluster.accepted, endpoint.accepted, endpoint.names])
    expect([size, apart]).toEqual([5, 0]);
  expect(envoy.stream.caughtUp).toBe(true);
});

test("what changes or comes meanwhile follows, and what was sent is not sent again", () => {
  const envoy = newcomer();
  const before = follow(envoy, 3);
  envoy.put({ cluster: contents(["a", "f"], "2"), endpoint: contents(["a", "f"], "2") });
  envoy.put({ endpoint: contents(["e"], "2") });
  const lines = [...before, ...follow(envoy)].map(lineOf);
  expect(lines.slice(0, 6)).toEqual(pages);
  expect(lines.slice(6)).toEqual(["cluster +a +f", "endpoint +a +f +e", "route +edge"]);
  // All else is shared with the others, and what it asks for again it has forgotten.
  expect(envoy.stream.subscriptions.endpoint.accepted.apart).toBe(3);
  envoy.subscribe("endpoint", "a");
  expect(envoy.ackAll()).toEqual(["endpoint +a"]);
});

test("nothing is sent that is no more", () => {
  const envoy = newcomer();
  const before = follow(envoy, 2);
  envoy.put({ cluster: { a: "", e: "", ...contents(["b"], "2") }, endpoint: { e: "" } });
  const lines = [...before, ...follow(envoy)].map(lineOf);
  expect(lines).toEqual([...pages.slice(0, 4), "cluster +b", "endpoint +b", "route +edge", "cluster -a"]);
  envoy.subscribe("endpoint", "b");
  expect(envoy.ackAll()).toEqual(["endpoint +b"]);
  envoy.reconnect();
  come(envoy);
  const anew = ["cluster +b +c", "endpoint +b +c", "cluster +d", "endpoint +d", "route +edge"];
  expect(follow(envoy).map(lineOf)).toEqual(anew);
});

test("whoever refuses a page is sent the rest, and what was on it when that changes", () => {
  const rest = {
    cluster: ["cluster +c +d +e", "endpoint +c +d +e"],
    endpoint: ["cluster +c +d", "endpoint +c +d", "cluster +e", "endpoint +e"],
  };
  for (const kind of ["cluster", "endpoint"] as const) {
    const envoy = newcomer();
    expect(envoy.take()).toEqual(pages.slice(0, 2));
    envoy.subscribe("endpoint", "a", "b");
    envoy.ack("cluster", kind === "cluster" ? "no" : undefined);
    envoy.ack("endpoint", kind === "endpoint" ? "no" : undefined);
    expect(follow(envoy).map(lineOf)).toEqual([...rest[kind], "route +edge"]);
    envoy.put({ [kind]: contents(["a"], "2") });
    expect(lineOf(follow(envoy)[0] as DeltaResponse)).toBe(`${kind} +a`);
    expect(envoy.stream.subscriptions[kind].has("b")).toBe(false);
  }
});

test("lists whose clusters are refused before they were sent are not sent", () => {
  const envoy = newcomer();
  envoy.take();
  envoy.subscribe("endpoint", "a", "b");
  envoy.ack("cluster");
  expect(envoy.take()).toEqual(["cluster +c +d"]);
  envoy.ack("cluster", "no");
  envoy.ack("endpoint");
  expect(follow(envoy).map(lineOf)).toEqual(["cluster +e", "endpoint +e", "route +edge"]);
});

test("one that asks for other names than a page's, or for no more, has what it asked for", () => {
  const cases: [asked: string[], dropped: string[]][] = [
    [["a", "b"], ["a"]],
    [["a"], []],
    [["a", "b", "c"], []],
    [["b", "c"], ["b"]],
  ];
  for (const [asked, dropped] of cases) {
    const envoy = newcomer();
    envoy.take();
    envoy.subscribe("endpoint", ...asked);
    envoy.request("endpoint", { resource_names_unsubscribe: dropped });
    envoy.ack("cluster");
    envoy.ack("endpoint");
    follow(envoy);
    const { names, accepted } = envoy.stream.subscriptions.endpoint;
    const left = new Set([...asked, "c", "d", "e"].filter((name) => !dropped.includes(name)));
    expect(new Set(names.keys())).toEqual(left);
    for (const name of dropped) expect(accepted.has(name)).toBe(false);
    // It may have forgotten one.
    envoy.subscribe("endpoint", "d");
    expect(envoy.ackAll()).toEqual(["endpoint +d"]);
  }
  const envoy = newcomer();
  envoy.request("cluster", { resource_names_unsubscribe: ["*"] });
  expect(follow(envoy).map(lineOf)).toEqual([...pages.slice(0, 2), "route +edge"]);
});

/** Envoy, as far as it matters here: a cluster that is new or another one waits until its list comes after it. */
class Model {
  readonly end = new StreamEnd(page);
  readonly clusters = new Map<string, string>();
  readonly lists = new Map<string, string>();
  readonly warming = new Set<string>();

  /** Takes the oldest response. */
  answer(refuses: boolean): void {
    const response = this.end.sent.shift();
    if (response === undefined) return;
    const kind = kindOf(response.typeUrl) as Kind;
    const error_detail = refuses ? { message: "no" } : undefined;
    const asked = kind === "cluster" && !refuses ? this.#takeClusters(response) : undefined;
    if (kind === "endpoint" && !refuses) this.#takeLists(response);
    this.end.request(kind, { response_nonce: response.nonce, ...(error_detail && { error_detail }) });
    if (asked !== undefined && asked.length > 0) this.end.subscribe("endpoint", ...asked);
  }

  #takeClusters({ resources, removed }: DeltaResponse): string[] {
    for (const name of removed) {
      if (!this.clusters.delete(name)) continue;
      this.lists.delete(name);
      this.warming.delete(name);
      this.end.request("endpoint", { resource_names_unsubscribe: [name] });
    }
    const added = resources.filter(({ name }) => !this.clusters.has(name)).map(({ name }) => name);
    for (const { name, version } of resources) {
      if (this.clusters.get(name) !== version) this.warming.add(name);
      this.clusters.set(name, version);
    }
    return added;
  }

  #takeLists({ resources }: DeltaResponse): void {
    for (const { name, version } of resources) {
      if (!this.clusters.has(name)) continue;
      this.lists.set(name, version);
      this.warming.delete(name);
    }
  }

  connect(): void {
    this.end.reconnect();
    const { clusters, lists } = this;
    this.end.request("cluster", {
      initial_resource_versions: new Map(clusters),
      resource_names_subscribe: ["*"],
    });
    if (clusters.size > 0)
      this.end.request("endpoint", {
        initial_resource_versions: new Map(lists),
        resource_names_subscribe: [...clusters.keys()],
      });
    this.end.subscribe("route", "edge");
  }

  /** Puts or removes a service; its list is another one after another cluster, as in a real snapshot. */
  put(name: string, cluster: string, list: string): void {
    const [one, other] =
      cluster === "" ? ["", ""] : [contents([name], cluster), contents([name], `${cluster} ${list}`)];
    this.end.put({
      cluster: one === "" ? { [name]: "" } : one,
      endpoint: other === "" ? { [name]: "" } : other,
    } as never);
  }
}

test("whatever happens on the way, in the end Envoy has what there is, and no cluster waits", () => {
  const all = Array.from({ length: 12 }, (_, n) => `n${n}`);
  const pick = numbers(11);
  for (let round = 0; round < 300; round++) {
    const model = new Model();
    for (const name of all.slice(0, 4 + pick(8))) model.put(name, "0", "0");
    model.connect();
    const [changes, refusals, breaks] = [pick(2), pick(3), pick(2)];
    // A cluster that is as it was once more, where Envoy has not heard of all between, is not known to wait for its old list.
    const content = (step: number) => `${breaks === 0 ? pick(3) : step}`;
    for (let step = 0; step < 40; step++) {
      const name = all[pick(all.length)] ?? "";
      if (changes > 0 && pick(4) === 0) model.put(name, pick(5) === 0 ? "" : content(step + 1), `${pick(3)}`);
      if (breaks > 0 && pick(25) === 0) model.connect();
      else model.answer(refusals === 0 && pick(8) === 0);
    }
    // What was refused is sent when it is another one.
    for (const name of refusals === 0 ? all : []) model.put(name, "last", `${round}`);
    while (model.end.sent.length > 0) model.answer(false);
    for (const [had, kind] of [
      [model.clusters, "cluster"],
      [model.lists, "endpoint"],
    ] as const) {
      const now = [...model.end.resources[kind].values()].map(({ name, version }) => [name, version]);
      expect([...had].sort(), `${kind} of round ${round}`).toEqual(now.sort());
      const { accepted } = model.end.stream.subscriptions[kind];
      expect([...accepted].map(([name, { version }]) => [name, version]).sort()).toEqual(now);
    }
    expect([...model.warming], `round ${round}`).toEqual([]);
    expect(model.end.stream.caughtUp).toBe(true);
  }
});

/** Pseudo-random whole numbers below a limit, the same each time. */
function numbers(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >>> 8) % limit;
  };
}
