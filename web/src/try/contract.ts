import { createFileRegistry, type DescMethod, type FileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

/** What the site shows of a method; Catalog.GetContract's MethodDoc has it. */
export interface MethodFacts {
  readonly name: string;
  readonly clientStreaming: boolean;
  readonly serverStreaming: boolean;
  readonly deadlineMs: bigint;
  readonly http: string;
}

/** What forms and samples need of Catalog.GetContract's answer. */
export interface Contract {
  readonly version: string;
  readonly methods: readonly MethodFacts[];
  readonly types: readonly {
    readonly name: string;
    readonly docs: string;
    readonly fields: readonly { readonly name: string; readonly docs: string }[];
  }[];
  readonly descriptorSet: Uint8Array;
}

/** A contract that can be read: its types, and the comments of its fields. */
export interface ReadContract {
  readonly registry: FileRegistry;
  /** Comment of a field; "" when it has none. */
  docs(type: string, field: string): string;
}

/**
 * Reads the descriptor set.
 *
 * @throws Error with a sentence for people when it is none or does not fit together.
 */
export function readContract(contract: Pick<Contract, "descriptorSet" | "types">): ReadContract {
  let registry: FileRegistry;
  try {
    registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, contract.descriptorSet));
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new Error(`The contract cannot be read: ${why}. Have the provider register it anew.`);
  }
  const docs = new Map<string, string>();
  for (const type of contract.types)
    for (const field of type.fields) docs.set(`${type.name}#${field.name}`, field.docs);
  return { registry, docs: (type, field) => docs.get(`${type}#${field}`) ?? "" };
}

/** @throws Error when the contract has no such method. */
export function methodOf({ registry }: ReadContract, service: string, method: string): DescMethod {
  const desc = registry.getService(service);
  if (desc === undefined) throw new Error(`The contract has no service ${service}.`);
  const found = desc.methods.find(({ name }) => name === method);
  if (found !== undefined) return found;
  const names = desc.methods.map(({ name }) => name).join(", ");
  throw new Error(`${service} has no method ${method}; there are ${names}.`);
}
