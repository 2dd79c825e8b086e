import { expect, test } from "vitest";
import { parseManifest } from "./manifest.ts";
import { sampleManifest } from "./testing/sample.ts";

test("a manifest comes through as it is", () => {
  const manifest = sampleManifest();
  expect(parseManifest(JSON.stringify(manifest))).toEqual(manifest);
});

test.each<[string, object, string]>([
  ["version", { version: "1.0" }, 'version: must be a semantic version such as "1.4.0"'],
  ["service", { service: "1x" }, "service: must be a full protobuf name"],
  ["memory", { resources: { cpu: 1, memory: 5, gpu: 0, labels: {} } }, "resources.memory: "],
  ["idle timeout", { idleTimeoutMs: 10 }, "idleTimeoutMs: "],
  ["unknown field", { colour: "red" }, 'Unrecognized key: "colour"'],
  ["methods", { methods: [] }, "methods: "],
])("what breaks the schema is named: %s", (_, changes, text) => {
  const broken = JSON.stringify({ ...sampleManifest(), ...changes });
  expect(() => parseManifest(broken)).toThrow(text);
  expect(() => parseManifest(broken)).toThrow('Run "rouse gen" to write it anew.');
});
