import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema, MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { runBuf } from "../../../codegen/buf.ts";
import type { Manifest } from "../../manifest.ts";
import { sampleManifest } from "../../testing/sample.ts";

const IDEMPOTENCY = {
  [MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN]: "unknown",
  [MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS]: "no_side_effects",
  [MethodOptions_IdempotencyLevel.IDEMPOTENT]: "idempotent",
} as const;

/** The descriptor set of .proto files, by buf itself. */
export async function compile(files: Readonly<Record<string, string>>): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), "rouse-test-contract-"));
  try {
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    const { code, stderr } = await runBuf(["build", "--as-file-descriptor-set", "-o", "set.binpb"], folder);
    if (code !== 0) throw new Error(`the test's contract is wrong: ${stderr}`);
    return await readFile(join(folder, "set.binpb"));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A manifest of a service of the files, as the code generator would write it. */
export async function contractManifest(
  service: string,
  version: string,
  files: Readonly<Record<string, string>>,
  changes: Partial<Manifest> = {},
): Promise<Manifest> {
  const bytes = await compile(files);
  const found = createFileRegistry(fromBinary(FileDescriptorSetSchema, bytes)).getService(service);
  if (found === undefined) throw new Error(`the test's contract has no ${service}`);
  const methods = found.methods.map((method) => ({
    name: method.name,
    input: method.input.typeName,
    output: method.output.typeName,
    clientStreaming: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
    serverStreaming: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
    mode: "sync" as const,
    deadlineMs: 10_000,
    idempotency: IDEMPOTENCY[method.idempotency],
    docs: "",
  }));
  const descriptorSet = Buffer.from(bytes).toString("base64");
  return { ...sampleManifest({ service, version }), methods, descriptorSet, ...changes };
}
