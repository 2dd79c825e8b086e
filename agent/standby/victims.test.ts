import { expect, test } from "vitest";
import { type Frozen, leastRecent, victims } from "./victims.ts";

const mebibyte = 2 ** 20;
const resources = (memory: number, cpu = 0.25) => ({ cpu, memoryBytes: memory * mebibyte, gpu: 0 });
const frozen = (id: string, lastUsedMs: number, memory = 128): Frozen => ({
  id,
  lastUsedMs,
  holds: resources(memory),
});
const roomy = resources(0, 8);

test("what fits evicts nothing", () => {
  expect(victims(resources(128), resources(128), [frozen("a", 1)])).toEqual([]);
});

test("what was used longest ago goes first, and no more than must", () => {
  const all = [frozen("new", 30), frozen("old", 10), frozen("mid", 20)];
  expect(victims(resources(128), roomy, all)).toEqual(["old"]);
  expect(victims(resources(200), roomy, all)).toEqual(["old", "mid"]);
  expect(victims(resources(200), resources(100, 8), all)).toEqual(["old"]);
});

test("a small one that makes no difference stays", () => {
  expect(victims(resources(300), roomy, [frozen("small", 1, 32), frozen("big", 2, 512)])).toEqual(["big"]);
});

test("cores are given back as well", () => {
  const left = { cpu: 0, memoryBytes: 2 ** 30, gpu: 0 };
  expect(victims(resources(64, 0.5), left, [frozen("a", 1), frozen("b", 2), frozen("c", 3)])).toEqual([
    "a",
    "b",
  ]);
});

test("when all together would not do, none goes", () => {
  expect(victims(resources(512), roomy, [frozen("a", 1), frozen("b", 2)])).toBeUndefined();
  expect(victims(resources(1), resources(0, 0), [])).toBeUndefined();
});

test("ties are decided by id", () => {
  expect(leastRecent([frozen("b", 1), frozen("a", 1), frozen("c", 0)]).map(({ id }) => id)).toEqual([
    "c",
    "a",
    "b",
  ]);
});
