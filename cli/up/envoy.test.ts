import { expect, test } from "vitest";
import { envoyWorkers } from "./envoy.ts";

test("Envoy has half of the cores, and one at least", () => {
  expect([1, 2, 3, 4, 64].map(envoyWorkers)).toEqual([1, 1, 1, 2, 32]);
});
