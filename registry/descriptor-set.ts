import { createFileRegistry, type DescMethod, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema, MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { RouseError } from "../sdk/errors.ts";
import { linkFault } from "./descriptor-links.ts";
import type { VersionManifest } from "./state.ts";

const IDEMPOTENCY = {
  [MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN]: "unknown",
  [MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS]: "no_side_effects",
  [MethodOptions_IdempotencyLevel.IDEMPOTENT]: "idempotent",
} as const;

/**
 * Makes sure that a descriptor set is complete and says of the service what its manifest says.
 *
 * @throws RouseError INVALID_ARGUMENT DESCRIPTOR_SET_INVALID.
 */
export function checkDescriptorSet(bytes: Uint8Array, manifest: VersionManifest): void {
  if (bytes.length === 0) throw invalid("The manifest has no descriptor set");
  let registry: ReturnType<typeof createFileRegistry>;
  try {
    const set = fromBinary(FileDescriptorSetSchema, bytes);
    const fault = linkFault(set.file);
    if (fault !== undefined) throw invalid(`The manifest's descriptor set is wrong: ${fault}`);
    registry = createFileRegistry(set);
  } catch (cause) {
    if (cause instanceof RouseError) throw cause;
    throw invalid(`The manifest's descriptor set cannot be decoded (${(cause as Error).message})`, cause);
  }
  const service = registry.getService(manifest.service);
  if (service === undefined) {
    const there = [...registry].filter((type) => type.kind === "service").map((type) => type.typeName);
    throw invalid(
      `The manifest is of ${manifest.service}, but its descriptor set has ${there.length > 0 ? `only ${there.join(", ")}` : "no service"}`,
    );
  }
  const said = new Map(manifest.methods.map((method) => [method.name, method]));
  const differences: string[] = [];
  if (said.size < manifest.methods.length) differences.push("a method is listed twice");
  for (const method of service.methods) {
    const own = said.get(method.name);
    if (own === undefined) differences.push(`${method.name} is missing in the manifest`);
    else differences.push(...methodDifferences(own, method));
    said.delete(method.name);
  }
  for (const name of said.keys()) differences.push(`${name} is missing in the descriptor set`);
  if (differences.length > 0) {
    throw invalid(`Manifest and descriptor set of ${manifest.service} disagree: ${differences.join("; ")}`);
  }
}

function methodDifferences(own: VersionManifest["methods"][number], method: DescMethod): string[] {
  const kind = method.methodKind;
  const idempotency = IDEMPOTENCY[method.idempotency];
  const facts: [string, string | boolean, string | boolean][] = [
    ["input", own.input, method.input.typeName],
    ["output", own.output, method.output.typeName],
    ["clientStreaming", own.clientStreaming, kind === "client_streaming" || kind === "bidi_streaming"],
    ["serverStreaming", own.serverStreaming, kind === "server_streaming" || kind === "bidi_streaming"],
    ["idempotency", own.idempotency, idempotency],
  ];
  return facts
    .filter(([, here, there]) => here !== there)
    .map(
      ([name, here, there]) =>
        `${own.name}.${name} is ${here} in the manifest and ${there} in the descriptor set`,
    );
}

function invalid(what: string, cause?: unknown): RouseError {
  return new RouseError("INVALID_ARGUMENT", `${what}. Run "rouse gen" to write the manifest anew.`, {
    reason: "DESCRIPTOR_SET_INVALID",
    cause,
  });
}
