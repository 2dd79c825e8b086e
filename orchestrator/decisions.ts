import { isDeepStrictEqual } from "node:util";
import type { ServerWritableStream } from "@grpc/grpc-js";
import type {
  Decision,
  WatchDecisionsRequest,
  WatchDecisionsResponse,
} from "#proto/rouse/orchestrator/v1/orchestrator.ts";

import type { Action } from "./plan.ts";

type Call = ServerWritableStream<WatchDecisionsRequest, WatchDecisionsResponse>;

/** What is decided again within this time is told once, ms. */
const REPEATED_MS = 5_000;
/** So many are kept for who comes later. */
const KEPT = 200;

/** What was decided, for people: the latest in memory, and each as it is made. Nothing depends on it. */
export class Decisions {
  readonly #latest: Decision[] = [];
  readonly #calls = new Set<Call>();

  /** Notes a decision; what is left out is not part of it. */
  add(decision: { readonly kind: string } & Partial<Decision>): void {
    const made: Decision = {
      ...{ service: "", version: "", generation: 0, instance: "", host: "", reason: "" },
      atMs: Date.now(),
      ...decision,
    };
    this.#latest.push(made);
    if (this.#latest.length > KEPT) this.#latest.shift();
    for (const call of this.#calls) call.write({ decisions: [made] });
  }

  /** Notes an action of a plan. */
  addAction(action: Action): void {
    const { kind, target } = action;
    const instance = "instance" in action ? { instance: action.instance.id, host: action.instance.host } : {};
    const host = "host" in action ? { host: action.host } : {};
    const why = "why" in action && action.why !== undefined ? action.why : "";
    const reason = "reason" in action ? action.reason : "message" in action ? action.message : why;
    const decision = { kind, ...target, ...instance, ...host, reason };
    // A plan that is made before Consul shows what the last one did decides the same once more. Two starts may well be alike.
    if (kind === "start" || !this.#isRepeated(decision)) this.add(decision);
  }

  #isRepeated(decision: Partial<Decision>): boolean {
    const sinceMs = Date.now() - REPEATED_MS;
    return this.#latest.some(
      (made) => made.atMs >= sinceMs && isDeepStrictEqual({ ...made, ...decision }, made),
    );
  }

  get latest(): readonly Decision[] {
    return this.#latest;
  }

  /** Tells the latest, and each from now on. */
  serve(call: Call): void {
    this.#calls.add(call);
    const leave = () => this.#calls.delete(call);
    call.on("cancelled", leave).on("close", leave).on("error", leave);
    call.write({ decisions: [...this.#latest] });
  }

  /** Ends all streams, and forgets: another orchestrator leads. */
  end(): void {
    this.#latest.length = 0;
    for (const call of this.#calls) call.end();
    this.#calls.clear();
  }
}
