import { create, toBinary } from "@bufbuild/protobuf";
import { FieldDescriptorProto_Type, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import type { RegisterVersionRequest } from "#proto/rouse/registry/v1/registry.ts";
import type { Manifest } from "../manifest.ts";

export interface SampleOptions {
  /** Default "sample.v1.EchoService". */
  readonly service?: string;
  readonly version?: string;
  /** About how many bytes the descriptor set has, at least. */
  readonly descriptorBytes?: number;
}

/** A manifest with a descriptor set that fits it: one unary method Echo, one server stream Watch. */
export function sampleManifest(options: SampleOptions = {}, changes: Partial<Manifest> = {}): Manifest {
  const service = options.service ?? "sample.v1.EchoService";
  const scope = service.slice(0, service.lastIndexOf("."));
  const method = { input: `${scope}.EchoRequest`, output: `${scope}.EchoResponse`, clientStreaming: false };
  const common = { mode: "sync", deadlineMs: 10_000, idempotency: "unknown", docs: "" } as const;
  return {
    schema: "rouse.manifest/v1",
    service,
    version: options.version ?? "1.0.0",
    summary: "Says it again.",
    description: "",
    owner: "tests",
    exposure: "external",
    resources: { cpu: 0.5, memory: 128 * 2 ** 20, gpu: 0, labels: {} },
    startTimeoutMs: 10_000,
    idleTimeoutMs: 60_000,
    targetConcurrency: 10,
    minInstances: 0,
    maxInstances: 4,
    sessionKey: "",
    loadBalancing: "round_robin",
    methods: [
      { name: "Echo", serverStreaming: false, ...method, ...common },
      { name: "Watch", serverStreaming: true, ...method, ...common },
    ],
    descriptorSet: Buffer.from(descriptorSet(service, options.descriptorBytes ?? 0)).toString("base64"),
    ...changes,
  };
}

/** A request to register it, run by an image so that no bundle is needed. */
export function sampleRequest(
  manifest: Manifest,
  changes: Partial<RegisterVersionRequest> = {},
): RegisterVersionRequest {
  return {
    manifest: Buffer.from(JSON.stringify(manifest)),
    artifact: { kind: { $case: "image", value: { name: "sample:1", port: 0, command: [] } } },
    tags: [],
    env: {},
    mounts: [],
    source: undefined,
    about: undefined,
    ...changes,
  };
}

function descriptorSet(service: string, bytes: number): Uint8Array {
  const dot = service.lastIndexOf(".");
  const scope = service.slice(0, dot);
  const text = { name: "text", number: 1, type: FieldDescriptorProto_Type.STRING, jsonName: "text" };
  // Comments make it as large as wanted; they differ, so that it cannot be compressed away.
  const location = Array.from({ length: Math.ceil(bytes / 1000) }, (_, i) => ({
    path: [4, 0],
    span: [i, 0, 1],
    leadingComments: `${i} `.repeat(1000).slice(0, 1000),
  }));
  const types = { inputType: `.${scope}.EchoRequest`, outputType: `.${scope}.EchoResponse` };
  return toBinary(
    FileDescriptorSetSchema,
    create(FileDescriptorSetSchema, {
      file: [
        {
          name: `${scope.replaceAll(".", "/")}/echo.proto`,
          package: scope,
          syntax: "proto3",
          messageType: [
            { name: "EchoRequest", field: [text] },
            { name: "EchoResponse", field: [text] },
          ],
          service: [
            {
              name: service.slice(dot + 1),
              method: [
                { name: "Echo", ...types },
                { name: "Watch", ...types, serverStreaming: true },
              ],
            },
          ],
          sourceCodeInfo: { location },
        },
      ],
    }),
  );
}
