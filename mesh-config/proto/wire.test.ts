import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { expect, test } from "vitest";
import { decodeDeltaRequest } from "./wire.ts";

const names = Array.from({ length: 300 }, (_, n) => `sample.v1.Service${n}@1.0.0#${n}`);
const versions = new Map(names.map((name, n) => [name, n % 5 === 0 ? "" : `version-ä-${n}`]));

test("a request is read as it was written, in whatever order its elements come and whoever came before", () => {
  for (const order of [names, names.toReversed(), names.slice(5), names.slice(0, 3), []]) {
    const entries = order.map((name) => [name, versions.get(name) ?? ""] as const);
    const request = decodeDeltaRequest(encode("a type", order, entries));
    expect(request.type_url).toBe("a type");
    expect([...request.resource_names_subscribe].sort()).toEqual([...order].sort());
    expect([...request.initial_resource_versions].sort()).toEqual([...entries].sort());
    expect(request.resource_names_unsubscribe).toEqual([]);
  }
});

test("requests with the same lists share what is read", () => {
  const entries = [...versions];
  const one = decodeDeltaRequest(encode("a type", names, entries));
  const other = decodeDeltaRequest(encode("a type", names.toReversed(), entries.toReversed()));
  expect(other.initial_resource_versions).toBe(one.initial_resource_versions);
  expect(other.resource_names_subscribe).toBe(one.resource_names_subscribe);
});

test("a request that was cut off is refused", () => {
  const whole = encode("a type", names, [...versions]);
  // Within the last entry and within the first name.
  for (const length of [whole.length - 1, 20])
    expect(() => decodeDeltaRequest(whole.subarray(0, length))).toThrow(RangeError);
});

function encode(type: string, list: readonly string[], entries: Iterable<readonly [string, string]>): Buffer {
  const writer = new BinaryWriter().uint32((2 << 3) | 2).string(type);
  for (const name of list) writer.uint32((3 << 3) | 2).string(name);
  for (const [name, version] of entries) {
    writer.uint32((5 << 3) | 2).fork();
    writer.uint32((1 << 3) | 2).string(name);
    // What is empty need not be written.
    if (version !== "") writer.uint32((2 << 3) | 2).string(version);
    writer.join();
  }
  return Buffer.from(writer.finish());
}
