import type { Metadata } from "@grpc/grpc-js";
import { ADMINISTRATOR } from "../registry/access.ts";
import { RouseError } from "../sdk/errors.ts";
import { whoCalls } from "./who.ts";

/** What decides who may see and change a piece of work. */
export interface Begun {
  /** Provider whose key it was asked for with; empty: none. */
  readonly asker: string;
  /** Service that asked for it; empty: none. */
  readonly caller: string;
  /** Services that it has work. */
  readonly services: readonly string[];
}

/** Of whose work a list tells: everybody's (undefined), or what a provider asked for and what its services are in. */
export type Scope = { readonly provider: string; readonly services: readonly string[] } | undefined;

/** Who owns which services. */
export interface Owners {
  /** Provider, or "administrator"; undefined: nobody. */
  ownerOf(service: string): Promise<string | undefined>;
  servicesOf(provider: string): Promise<readonly string[]>;
}

/**
 * Who may see and change whose work, at the edge of a mesh whose work is guarded: who asked for it, the owner of a service that is in
 * it, and the administrator. What was asked for without a key is for whoever knows its id, which nobody guesses.
 */
export class Rights {
  readonly #owners: Owners | undefined;

  /** @param owners undefined: the mesh is not guarded, and everybody may. */
  constructor(owners: Owners | undefined) {
    this.#owners = owners;
  }

  /** Of whose work a caller may be told who names none. */
  async scope(metadata: Metadata): Promise<Scope> {
    const { outside, provider } = whoCalls(metadata);
    if (this.#owners === undefined || !outside || provider === ADMINISTRATOR) return undefined;
    return { provider, services: provider === "" ? [] : await this.#owners.servicesOf(provider) };
  }

  /**
   * @param what Such as "Operation 9f0c…".
   * @throws RouseError PERMISSION_DENIED NOT_YOUR_WORK.
   */
  async check(metadata: Metadata, { asker, caller, services }: Begun, what: string): Promise<void> {
    const { outside, provider } = whoCalls(metadata);
    if (this.#owners === undefined || !outside || asker === "") return;
    if (provider === ADMINISTRATOR || provider === asker) return;
    if (provider !== "") {
      for (const service of new Set([...services, caller])) {
        if (service !== "" && (await this.#owners.ownerOf(service)) === provider) return;
      }
    }
    throw new RouseError(
      "PERMISSION_DENIED",
      `${what} was asked for with a provider's key. At the edge of this mesh (--guard-work) that provider alone, the owners of its services and the administrator may see and change it; ${provider === "" ? "this call brings no key" : `your key is ${provider}'s`}. Give the key that it was asked for with (ROUSE_KEY), or call from within the mesh.`,
      { reason: "NOT_YOUR_WORK" },
    );
  }
}
