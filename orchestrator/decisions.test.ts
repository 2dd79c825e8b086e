import { expect, test } from "vitest";
import { instance } from "../mesh-config/testing/state.ts";
import { Decisions } from "./decisions.ts";

const target = { service: "a.v1.A", version: "1.0.0", generation: 1 };

test("what is decided once more before Consul shows it is told once, two like starts are told twice", () => {
  const decisions = new Decisions();
  const retire = (id: string) =>
    decisions.addAction({
      kind: "retire",
      target,
      instance: instance(id, 1, "127.0.0.1:1"),
      reason: "drains",
    });
  retire("x");
  retire("y");
  retire("x");
  decisions.addAction({ kind: "start", target, host: "a", why: "the only host" });
  decisions.addAction({ kind: "start", target, host: "a", why: "the only host" });
  expect(decisions.latest.map(({ kind, instance }) => `${kind} ${instance}`)).toEqual([
    "retire x",
    "retire y",
    "start ",
    "start ",
  ]);
});
