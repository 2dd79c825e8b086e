import { expect, test } from "vitest";
import { Layered } from "./layered.ts";
import { type Resource, resourceOfBytes } from "./resource.ts";
import { resumedOf } from "./resumed.ts";
import type { Shared, Snapshot } from "./snapshot.ts";

const made = (name: string, content: string, since: number) =>
  resourceOfBytes("endpoint", name, Buffer.from(content), since);
const names = Array.from({ length: 100 }, (_, n) => `n${n}`);
const before = new Map(names.map((name) => [name, made(name, "before", 1)]));
/** After what is shared one changed, one went, and one came. */
const after = new Map(before).set("n1", made("n1", "after", 2)).set("new", made("new", "after", 2));
after.delete("n2");
const touched = ["n1", "n2", "new"];
const shared: Shared = {
  number: 1,
  contents: before,
  names: new Map(names.map((name) => [name, true])),
};
const none = new Map<string, Resource>();

function snapshot(number: number, of: Shared | undefined): Snapshot {
  return {
    number,
    resources: { cluster: none, endpoint: after, listener: none, route: none, extension: none },
    aliases: new Map(),
    shared: () => of,
    touchedSince: () => touched,
  };
}

test("what an Envoy has is the same with and without what all share", () => {
  const had = new Map(names.map((name) => [name, before.get(name)?.version ?? ""]));
  const cases: [versions: Map<string, string>, names: string[]][] = [
    [had, names],
    [new Map(had), ["*", ...names, "new", "cold"]],
    [new Map(had).set("n3", "older").set("gone", "1"), names],
    [new Map([...had].filter(([name]) => name !== "n5")), names],
    [new Map([...had].slice(0, 10)), names],
    [new Map([...after].map(([name, { version }]) => [name, version])), names],
    [new Map(), []],
  ];
  for (const [versions, named] of cases) {
    const [one, other] = [shared, undefined].map((of) => {
      const { accepted, names, brought, lacking } = resumedOf("endpoint", versions, named, snapshot(2, of));
      return {
        accepted: contents(accepted).map(([name, { version }]) => [name, version]),
        names: contents(names),
        brought: brought.toSorted(),
        lacking: lacking.toSorted(),
      };
    });
    expect(one).toEqual(other);
    expect(one?.accepted).toEqual([...versions].sort());
  }
});

test("what was changed since is looked at, and everything where little is shared", () => {
  const had = new Map(names.map((name) => [name, before.get(name)?.version ?? ""]));
  expect(resumedOf("endpoint", had, names, snapshot(2, shared)).lookedAt).toBe(1);
  expect(resumedOf("endpoint", new Map([...had].slice(0, 10)), names, snapshot(2, shared)).lookedAt).toBe(0);
  expect(resumedOf("endpoint", had, names, snapshot(2, undefined)).lookedAt).toBe(0);
});

test("it is looked up once for the same, and anew for all else", () => {
  const had = new Map(names.map((name) => [name, before.get(name)?.version ?? ""]));
  const resumed = resumedOf("endpoint", had, names, snapshot(2, shared));
  expect(resumedOf("endpoint", had, [...names], snapshot(2, shared))).toBe(resumed);
  const others = [
    resumedOf("endpoint", had, names.slice(1), snapshot(2, shared)),
    resumedOf("endpoint", had, names, snapshot(3, shared)),
    resumedOf("endpoint", had, names, snapshot(3, { ...shared })),
    resumedOf("endpoint", new Map(had), names, snapshot(3, shared)),
  ];
  expect(new Set([resumed, ...others]).size).toBe(5);
});

function contents<V>(overlay: Parameters<Layered<V>["take"]>[0]): [string, V][] {
  const layered = new Layered<V>();
  layered.take(overlay);
  return [...layered].sort(([a], [b]) => (a < b ? -1 : 1));
}
