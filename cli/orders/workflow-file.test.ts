import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { readWorkflowFile } from "./workflow-file.ts";

const folder = mkdtempSync(join(tmpdir(), "workflow-"));
const file = join(folder, "flow.json");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function read(content: unknown) {
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  return readWorkflowFile(file);
}

describe("a workflow's file", () => {
  test("becomes the tasks of an order", () => {
    const cut = { service: "g.v1.G", method: "Cut", parameters: { n: { from: "tasks.find.result.n" } } };
    const inputs = { reads: { from: "tasks.find.outputs.reads" }, index: "artifact:x" };
    expect(read({ name: "gc", tasks: { cut: { ...cut, inputs, retries: 0 } } })).toMatchObject({
      name: "gc",
      priority: undefined,
      folder,
      tasks: [
        {
          name: "cut",
          service: "g.v1.G",
          version: "",
          method: "Cut",
          parameters: '{"n":{"from":"tasks.find.result.n"}}',
          inputs: { reads: "tasks.find.outputs.reads", index: "artifact:x" },
          retries: 0,
          after: [],
        },
      ],
    });
  });

  test.each([
    ["{", /is no workflow: it is not JSON/],
    [{ tasks: { a: { service: "s" } } }, /tasks\.a\.method: /],
    [{ tasks: { a: { service: "s", method: "M", retrys: 1 } } }, /tasks\.a: .*retrys/],
    [{ task: {} }, /the file: .*task/],
  ])("%j is refused, and what is wrong is named", (content, said) => {
    expect(() => read(content)).toThrow(
      expect.objectContaining({ reason: "WORKFLOW_FILE_INVALID", message: expect.stringMatching(said) }),
    );
  });

  test("that is not there is told", () => {
    expect(() => readWorkflowFile(join(folder, "none.json"))).toThrow(/none\.json is no workflow: ENOENT/);
  });
});
