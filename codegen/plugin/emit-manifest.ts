import { type Manifest, manifestSchema } from "../../registry/manifest.ts";
import { commentOf } from "./comments.ts";
import { descriptorSet } from "./descriptor-set.ts";
import type { ServiceModel } from "./service-model.ts";

/** The manifest of an annotated service, as the registry takes it; undefined for a service without the option. */
export function manifestOf(service: ServiceModel): Manifest | undefined {
  const { desc, settings } = service;
  if (settings === undefined) return undefined;
  return manifestSchema.parse({
    schema: "rouse.manifest/v1",
    service: desc.typeName,
    ...settings,
    methods: service.methods.map((method) => ({
      name: method.desc.name,
      input: method.desc.input.typeName,
      output: method.desc.output.typeName,
      clientStreaming: method.requestStream,
      serverStreaming: method.responseStream,
      ...method.settings,
      docs: commentOf(method.desc),
    })),
    descriptorSet: descriptorSet(desc.file, { comments: true }),
  } satisfies Manifest);
}
