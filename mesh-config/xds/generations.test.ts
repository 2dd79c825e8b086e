import { expect, test } from "vitest";
import type { Activation, MeshState } from "../../registry/state.ts";
import { manifest, TestMesh, version } from "../testing/state.ts";
import { Generations } from "./generations.ts";

const service = "a.v1.A";
const target = (generation: number) => ({ service, version: "1.0.0", generation });
const none: MeshState = { services: new Map() };

function state(activation: Activation): MeshState {
  const mesh = new TestMesh();
  mesh.put(version(manifest(service, "1.0.0"), activation));
  return mesh.state;
}

/** What is shown of the version after each of Consul's states. */
function shown(generations: Generations, ...states: MeshState[]): (Activation | undefined)[] {
  let before = none;
  return states.map((now) => {
    before = generations.hold(before, now, [service]);
    return before.services.get(service)?.versions.get("1.0.0")?.activation;
  });
}

test("what goes on is shown as it is, and is the same object", () => {
  const generations = new Generations();
  const first = state({ generation: 1 });
  expect(generations.hold(none, first, [service])).toBe(first);
  const next = state({ generation: 2, served: true });
  expect(generations.hold(first, next, [service])).toBe(next);
  expect([...generations.behind()]).toEqual([]);
});

test("a generation that was left is not shown again; a later one ends that", () => {
  const generations = new Generations();
  const stopped = { reason: "it is moved", atMs: 1 };
  const all = shown(
    generations,
    state({ generation: 5, served: true }),
    state({ generation: 3, stopped }),
    state({ generation: 3 }),
  );
  expect(all.slice(1)).toEqual([
    { generation: 5, served: true, stopped },
    { generation: 5, served: true },
  ]);
  expect([...generations.behind()]).toEqual([target(5)]);
  expect(generations.hold(none, state({ generation: 6 }), [service])).toEqual(state({ generation: 6 }));
  expect([...generations.behind()]).toEqual([]);
});

test("a version that comes back begins behind what Envoys know of it, and no later", () => {
  const cold = new Generations();
  expect(shown(cold, state({ generation: 5 }), none, state({ generation: 5 })).at(-1)).toEqual({
    generation: 5,
  });
  const asked = new Generations();
  shown(asked, state({ generation: 5 }));
  expect(asked.asked(target(5), 5)).toBe(false);
  const back = shown(asked, state({ generation: 5 }), none, state({ generation: 1 }));
  expect(back.at(-1)).toEqual({ generation: 6 });
  expect([...asked.behind()]).toEqual([target(6)]);
});

test("an Envoy that knows more than Consul tells so, once", () => {
  const generations = new Generations();
  shown(generations, state({ generation: 3 }));
  expect(generations.asked(target(3), 3)).toBe(false);
  expect(generations.asked(target(7), 3)).toBe(true);
  expect(generations.asked(target(6), 3)).toBe(false);
  expect([...generations.behind()]).toEqual([target(7)]);
  // A control plane that is a moment behind another one shows what it has, and nothing of its own.
  expect(shown(generations, state({ generation: 4 }))).toEqual([{ generation: 4 }]);
  expect([...generations.behind()]).toEqual([target(7)]);
  expect(shown(generations, state({ generation: 8 }))).toEqual([{ generation: 8 }]);
  expect([...generations.behind()]).toEqual([]);
});

test("a generation that Envoys were told is gone is not shown again, though nothing else changed", () => {
  const generations = new Generations();
  const first = state({ generation: 1 });
  const before = generations.hold(none, first, [service]);
  generations.asked(target(1), 1);
  generations.spent(target(1));
  const again = generations.hold(before, state({ generation: 1 }), [service]);
  expect(again.services.get(service)?.versions.get("1.0.0")?.activation).toEqual({ generation: 2 });
  expect([...generations.behind()]).toEqual([target(2)]);
});

test("calls may be held for the latest name that Envoys asked for, and the one before", () => {
  const generations = new Generations();
  for (const generation of [5, 3]) generations.asked(target(generation), 5);
  expect([3, 4, 5].map((generation) => generations.latest(target(generation)))).toEqual([false, true, true]);
});
