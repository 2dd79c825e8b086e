import { describe, expect, test } from "vitest";
import type { TaskSpec } from "#proto/rouse/orders/v1/orders.ts";
import { checkMetadata } from "./metadata.ts";
import { readWorkflow } from "./workflow.ts";

function spec(name: string, more: Partial<TaskSpec> = {}): TaskSpec {
  return {
    name,
    service: "s.v1.S",
    version: "",
    method: "Do",
    parameters: "",
    inputs: {},
    metadata: {},
    after: [],
    ...more,
  };
}

describe("a workflow", () => {
  test("is read with what each task needs, each once", () => {
    const parameters = '{"a": {"from": "tasks.x.result.a"}, "b": [{"from": "tasks.x.outputs.f"}]}';
    const tasks = readWorkflow([
      spec("x"),
      spec("y", { parameters, inputs: { f: "tasks.x.outputs.f" }, after: ["x"] }),
    ]);
    expect(tasks.map(({ name, needs }) => [name, needs])).toEqual([
      ["x", []],
      ["y", ["x"]],
    ]);
    expect(readWorkflow([spec("")]).map(({ name }) => name)).toEqual(["main"]);
  });

  test.each([
    [[], "it has no task", "ORDER_INVALID"],
    [
      Array.from({ length: 1_001 }, (_, at) => spec(`t${at}`)),
      "it has 1001 tasks, and may have 1000",
      "ORDER_INVALID",
    ],
    [[spec("a"), spec("a")], 'two tasks are named "a"', "ORDER_INVALID"],
    [[spec("a"), spec("")], '"" is no name of a task', "ORDER_INVALID"],
    [[spec("__proto__")], '"__proto__" is no name of a task', "ORDER_INVALID"],
    [
      [spec("a", { after: ["b"] })],
      'Task "a": after names task "b", which the workflow does not have. It has a.',
      "REFERENCE_INVALID",
    ],
    [
      [spec("a", { inputs: { f: "tasks.a.result.x" } })],
      "An input is an artifact: write tasks.NAME.outputs.OUTPUT",
      "REFERENCE_INVALID",
    ],
    [
      [spec("a", { parameters: '{"x": {"from": "tasks.a"}}' })],
      '"tasks.a" is no reference',
      "REFERENCE_INVALID",
    ],
    [[spec("a", { after: ["a"] })], 'The workflow goes in a circle: "a" needs "a".', "WORKFLOW_CYCLIC"],
  ] as const)("%# is refused in words", (tasks, said, reason) => {
    expect(() => readWorkflow(tasks)).toThrow(
      expect.objectContaining({ status: "INVALID_ARGUMENT", reason, message: expect.stringContaining(said) }),
    );
  });
});

describe("metadata", () => {
  const about = {
    metadata: [
      { name: "Sample", description: "The sample's number.\nAs on the tube.", required: true },
      { name: "note", description: "", required: false },
    ],
  };
  const check = (metadata: Record<string, string>, kind: "job" | "call" = "job") =>
    checkMetadata(metadata, { about, service: "s.v1.S" }, kind, "a");

  test("are good with what the contract requires, whatever its case", () => {
    check({ sample: "17", note: "ä" });
    checkMetadata({ anything: "goes" }, { service: "s.v1.S" }, "call", "a");
  });

  test.each([
    [{}, "job", 'Task "a": s.v1.S requires the metadata "Sample" (The sample\'s number).'],
    [
      { sample: "1", nota: "x" },
      "job",
      'Task "a": the metadata "nota" is not in the contract: s.v1.S has Sample, note.',
    ],
    [
      { sample: "1", note: "ä" },
      "call",
      'the metadata "note" goes as a header, and has characters other than printable ASCII',
    ],
    [
      { sample: "1", "rouse-version": "2" },
      "call",
      'the metadata "rouse-version" would be a header that is not for users',
    ],
    [{ "": "1" }, "job", '"" is no name of metadata'],
    [{ sample: "x".repeat(1_001) }, "job", 'the metadata "sample" has more than 1000 characters'],
  ] as const)("%j of a %s are refused", (metadata, kind, said) => {
    expect(() => check(metadata, kind)).toThrow(
      expect.objectContaining({ reason: "METADATA_INVALID", message: expect.stringContaining(said) }),
    );
  });
});
