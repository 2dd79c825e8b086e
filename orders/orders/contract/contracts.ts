import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import type { ConsulClient } from "../../../registry/consul.ts";
import { readDescriptorSet } from "../../../registry/get-manifest.ts";
import { RouseError } from "../../../sdk/errors.ts";
import type { ContractMethod } from "../accept/task.ts";

/** Contracts that are kept, as they never change. */
const MOST_KEPT = 50;

/** Methods with their messages, from the descriptor sets of the catalog. */
export class Contracts {
  readonly #consul: ConsulClient;
  readonly #kept = new Map<string, ReturnType<typeof createFileRegistry>>();

  constructor(consul: ConsulClient) {
    this.#consul = consul;
  }

  /** @throws RouseError NOT_FOUND VERSION_UNKNOWN, METHOD_UNKNOWN; DATA_LOSS for a contract that cannot be read. */
  async method(service: string, version: string, method: string): Promise<ContractMethod> {
    const types = await this.#types(service, version);
    const descriptor = types.getService(service)?.methods.find(({ name }) => name === method);
    if (descriptor === undefined) {
      throw new RouseError("NOT_FOUND", `${service} ${version} has no method "${method}".`, {
        reason: "METHOD_UNKNOWN",
      });
    }
    return { descriptor, types };
  }

  async #types(service: string, version: string): Promise<ReturnType<typeof createFileRegistry>> {
    const key = `${service}@${version}`;
    const known = this.#kept.get(key);
    if (known !== undefined) return known;
    const bytes = await readDescriptorSet(this.#consul, service, version);
    if (bytes === undefined) {
      throw new RouseError(
        "NOT_FOUND",
        `${service} ${version} is not registered any more. Register it again, or order another version.`,
        { reason: "VERSION_UNKNOWN", metadata: { service, version } },
      );
    }
    const types = createFileRegistry(fromBinary(FileDescriptorSetSchema, bytes));
    const [oldest] = this.#kept.size >= MOST_KEPT ? this.#kept.keys() : [];
    if (oldest !== undefined) this.#kept.delete(oldest);
    this.#kept.set(key, types);
    return types;
  }
}
