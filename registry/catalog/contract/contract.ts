import { createFileRegistry, type DescService, type FileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { RouseError } from "../../../sdk/errors.ts";
import { Comments } from "./comments.ts";

/** What a version's descriptor set says. */
export interface Contract {
  readonly service: DescService;
  readonly types: FileRegistry;
  readonly comments: Comments;
  /** google.protobuf.FileDescriptorSet with imports and comments. */
  readonly descriptorSet: Uint8Array;
}

/**
 * Reads a descriptor set as a contract.
 *
 * @throws RouseError DATA_LOSS DESCRIPTOR_SET_CORRUPT when it cannot be read or lacks the service; what is registered was
 *   checked for that.
 */
export function parseContract(service: string, descriptorSet: Uint8Array): Contract {
  let types: FileRegistry;
  try {
    types = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptorSet));
  } catch (cause) {
    throw corrupt(service, (cause as Error).message, cause);
  }
  const found = types.getService(service);
  if (found === undefined) throw corrupt(service, "the service is not in it");
  return { service: found, types, comments: new Comments(), descriptorSet };
}

function corrupt(service: string, why: string, cause?: unknown): RouseError {
  return new RouseError(
    "DATA_LOSS",
    `The descriptor set of ${service} in Consul cannot be read (${why}). Unregister the version and register it again.`,
    { reason: "DESCRIPTOR_SET_CORRUPT", ...(cause === undefined ? {} : { cause }) },
  );
}
