import {
  createFileRegistry,
  type DescMethod,
  fromBinary,
  type Registry as TypeRegistry,
} from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { RegistryClient } from "#proto/rouse/registry/v1/registry.ts";
import { type Manifest, parseManifest } from "../../registry/manifest.ts";
import { RouseError } from "../../sdk/errors.ts";
import { unary } from "../../sdk/grpc.ts";
import { withClient } from "../connect.ts";

/** A method of a registered version, with the types to speak it. */
export interface CatalogMethod {
  readonly descriptor: DescMethod;
  /** All types of the contract, for google.protobuf.Any. */
  readonly types: TypeRegistry;
  readonly manifest: Manifest;
  /** "/genome.v1.GenomeService/GetSequence". */
  readonly path: string;
}

/**
 * Looks a method up in the catalog.
 *
 * @param name "SERVICE/METHOD".
 * @param spec version spec; empty: the released version.
 * @throws RouseError INVALID_ARGUMENT METHOD_NAME_INVALID, NOT_FOUND METHOD_UNKNOWN with the methods there are, and
 *   what the registry says of service and version.
 */
export async function findMethod(registry: string, name: string, spec: string): Promise<CatalogMethod> {
  const [service = "", method = "", ...more] = name.replace(/^\//, "").split("/");
  if (service === "" || more.length > 0)
    throw new RouseError(
      "INVALID_ARGUMENT",
      `"${name}" is no method: write SERVICE/METHOD, such as genome.v1.GenomeService/GetSequence.`,
      { reason: "METHOD_NAME_INVALID" },
    );
  const { version, manifest: bytes } = await withClient(RegistryClient, registry, (client) =>
    unary(client, "getManifest", { service, spec }),
  );
  const manifest = parseManifest(Buffer.from(bytes).toString("utf8"));
  const set = fromBinary(FileDescriptorSetSchema, Buffer.from(manifest.descriptorSet, "base64"));
  const types = createFileRegistry(set);
  const descriptor = types.getService(service)?.methods.find((one) => one.name === method);
  if (descriptor === undefined) {
    const methods = manifest.methods.map((one) => one.name).join(", ");
    const what =
      method === ""
        ? `Name a method of ${service} ${version}`
        : `${service} ${version} has no method ${method}`;
    throw new RouseError("NOT_FOUND", `${what}; it has ${methods}.`, { reason: "METHOD_UNKNOWN" });
  }
  return { descriptor, types, manifest, path: `/${service}/${method}` };
}
