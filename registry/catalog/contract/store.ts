import type { ConsulClient } from "../../consul.ts";
import { readBlob } from "../../descriptor-blobs.ts";
import { catalogKey } from "../../keys.ts";
import { readKey } from "../../kv.ts";
import { catalogEntrySchema } from "../../records.ts";
import { contended } from "../../register-version.ts";
import { parseValue } from "../../service-record.ts";
import type { VersionManifest } from "../../state.ts";
import { type Contract, parseContract } from "./contract.ts";

const MOST_TRIES = 4;
/** Contracts that stay parsed, by the bytes of their descriptor sets; parsed they take some ten times as much. */
const MOST_BYTES = 16 * 2 ** 20;

/** The contracts of versions, from Consul; those used last stay in memory. */
export class ContractStore {
  readonly #consul: ConsulClient;
  /** In the order of their last use. */
  readonly #kept = new Map<VersionManifest, Contract>();
  readonly #reading = new Map<VersionManifest, Promise<Contract>>();
  #bytes = 0;

  constructor(consul: ConsulClient) {
    this.#consul = consul;
  }

  /**
   * The contract of a version.
   *
   * @param manifest As MeshState has it: while a version stays the same, this is the same object.
   * @throws RouseError DATA_LOSS DESCRIPTOR_SET_CORRUPT, ABORTED CATALOG_CONTENDED for a version that is just being replaced,
   *   UNAVAILABLE while Consul is away.
   */
  async get(manifest: VersionManifest): Promise<Contract> {
    const kept = this.#kept.get(manifest);
    if (kept !== undefined) {
      this.#kept.delete(manifest);
      this.#kept.set(manifest, kept);
      return kept;
    }
    let reading = this.#reading.get(manifest);
    if (reading === undefined) {
      reading = this.read(manifest).finally(() => this.#reading.delete(manifest));
      this.#reading.set(manifest, reading);
      const contract = await reading;
      this.#keep(manifest, contract);
      return contract;
    }
    return reading;
  }

  /** The same without keeping it: for a walk over everything. */
  async read({ service, version }: VersionManifest): Promise<Contract> {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const item = await readKey(this.#consul, catalogKey(service, version));
      if (item === undefined) break;
      const bytes = await readBlob(this.#consul, parseValue(catalogEntrySchema, item));
      if (bytes !== undefined) return parseContract(service, bytes);
    }
    throw contended(service);
  }

  #keep(manifest: VersionManifest, contract: Contract): void {
    this.#kept.set(manifest, contract);
    this.#bytes += contract.descriptorSet.length;
    for (const [oldest, { descriptorSet }] of this.#kept) {
      if (this.#bytes <= MOST_BYTES || oldest === manifest) break;
      this.#kept.delete(oldest);
      this.#bytes -= descriptorSet.length;
    }
  }
}
