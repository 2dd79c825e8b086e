import { createRegistry } from "@bufbuild/protobuf";
import { DurationSchema, EnumOptionsSchema, FieldMaskSchema } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { RouseError } from "../../../sdk/errors.ts";
import { hostLost, resultOf } from "./errors.ts";

const types = createRegistry();

test("a host that is lost is named, and why", () => {
  expect(hostLost("a", "it was declared dead")).toMatchObject({
    status: "UNAVAILABLE",
    reason: "HOST_LOST",
    message:
      'Host "a" is lost with the job that ran there: it was declared dead. It is tried again elsewhere.',
    metadata: { host: "a" },
  });
});

test("a result is JSON with all its fields, whatever form the job gave it in", () => {
  expect(resultOf({ resultJson: '"1.5s"' }, DurationSchema, types)).toBe('"1.500s"');
  expect(resultOf({ result: new Uint8Array([8, 1]) }, DurationSchema, types)).toBe('"1s"');
  expect(resultOf({}, EnumOptionsSchema, types)).toBe('{"uninterpretedOption":[]}');
});

test.each([
  [
    "JSON",
    { resultJson: '{"path": 7}' },
    /^The job ended well, and its result is no google\.protobuf\.FieldMask: .+\.$/,
  ],
  [
    "bytes",
    { result: new Uint8Array([255]) },
    /^The job ended well, and its result is no google\.protobuf\.FieldMask: .+\.$/,
  ],
])("a result of other %s than the contract says is told with why", (_form, job, message) => {
  let error: unknown;
  try {
    resultOf(job, FieldMaskSchema, types);
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(RouseError);
  expect(error).toMatchObject({ status: "INTERNAL", reason: "RESULT_INVALID" });
  expect((error as RouseError).message).toMatch(message);
});
