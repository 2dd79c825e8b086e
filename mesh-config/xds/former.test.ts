import { expect, test } from "vitest";
import type { InstanceState, MeshState, VersionState } from "../../registry/state.ts";
import { FormerGenerations } from "./former.ts";

const service = "a.v1.A";
const version = "1.0.0";

function instance(id: string, generation: number): InstanceState {
  const place = { host: "h", runtime: "process", address: `127.0.0.1:${id}` };
  return { id, generation, ...place, healthy: true, draining: false };
}

function state(...instances: InstanceState[]): MeshState {
  const known = { instances } as unknown as VersionState;
  return { services: new Map([[service, { versions: new Map([[version, known]]), tags: new Map() }]]) };
}

test("a generation whose instance is taken over is kept until it has drained", () => {
  const former = new FormerGenerations();
  former.compare(state(instance("1", 4)), state(instance("1", 5)));
  expect(former.of(service, version)).toMatchObject([
    { generation: 4, endpoints: [{ id: "1", address: "127.0.0.1:1", draining: false }] },
  ]);
  expect(former.drained({ service, version, generation: 4 })).toBe(true);
  expect(former.of(service, version)).toEqual([]);
});

test("all instances that are taken over one by one are kept", () => {
  const former = new FormerGenerations();
  former.compare(state(instance("1", 4), instance("2", 4)), state(instance("1", 5), instance("2", 4)));
  expect(former.of(service, version)).toEqual([]);
  former.compare(state(instance("1", 5), instance("2", 4)), state(instance("1", 5), instance("2", 5)));
  expect(former.of(service, version)).toMatchObject([{ generation: 4, endpoints: [{ id: "2" }] }]);
});

test("one that had drained before is not kept", () => {
  const former = new FormerGenerations();
  former.drained({ service, version, generation: 4 });
  former.compare(state(instance("1", 4)), state(instance("1", 5)));
  expect(former.of(service, version)).toEqual([]);
});

test("an instance that ends leaves nothing to keep", () => {
  const former = new FormerGenerations();
  former.compare(state(instance("1", 4)), state(instance("2", 5)));
  expect(former.of(service, version)).toEqual([]);
});

test("a version that is registered no more is forgotten", () => {
  const former = new FormerGenerations();
  former.compare(state(instance("1", 4)), state(instance("1", 5)));
  former.compare(state(instance("1", 5)), { services: new Map() });
  expect(former.of(service, version)).toEqual([]);
});
