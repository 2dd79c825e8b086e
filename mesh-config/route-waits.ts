import type { ServerUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import type { AwaitRoutesRequest, AwaitRoutesResponse } from "#proto/rouse/meshconfig/v1/meshconfig.ts";
import type { MeshState } from "../registry/state.ts";
import type { Control } from "./xds/control.ts";

interface Wait {
  readonly request: AwaitRoutesRequest;
  readonly answer: () => void;
}

/** Those who wait until Envoys route by what was just registered. */
export class RouteWaits {
  readonly #control: () => Control | undefined;
  readonly #waits = new Set<Wait>();

  constructor(control: () => Control | undefined) {
    this.#control = control;
  }

  /** MeshConfig.AwaitRoutes. */
  readonly serve = (
    call: ServerUnaryCall<AwaitRoutesRequest, AwaitRoutesResponse>,
    callback: sendUnaryData<AwaitRoutesResponse>,
  ): void => {
    const wait = { request: call.request, answer: () => callback(null, {}) };
    this.#waits.add(wait);
    call.on("cancelled", () => this.#waits.delete(wait));
    this.check();
  };

  /** Looks again; to be called when the state, the Envoys or what they accepted changed. */
  check(): void {
    const control = this.#control();
    if (this.#waits.size === 0 || control === undefined || !accepted(control)) return;
    for (const wait of this.#waits) {
      if (!knows(control.state, wait.request)) continue;
      this.#waits.delete(wait);
      wait.answer();
    }
  }
}

function accepted(control: Control): boolean {
  const snapshot = control.snapshot();
  return [...control.streams].every(({ subscriptions: { route } }) => route.upToDate(snapshot));
}

function knows({ services }: MeshState, { service, version, tags }: AwaitRoutesRequest): boolean {
  const known = services.get(service);
  const pointsThere = (tag: string) => known?.tags.get(tag)?.some((share) => share.version === version);
  return known?.versions.has(version) === true && tags.every(pointsThere);
}
