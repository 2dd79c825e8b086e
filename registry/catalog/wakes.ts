import { credentials } from "@grpc/grpc-js";
import type { ListWakesResponse, Wake } from "#proto/rouse/catalog/v1/catalog.ts";
import { type Wake as ControlWake, MeshConfigClient } from "#proto/rouse/meshconfig/v1/meshconfig.ts";
import { RouseError } from "../../sdk/errors.ts";
import { unary } from "../../sdk/grpc.ts";

const DEFAULT_LIMIT = 20;
const MOST_LIMIT = 200;
const DEADLINE_MS = 5_000;

const STAGES = [
  ["placed", "placedMs"],
  ["created", "createdMs"],
  ["started", "startedMs"],
  ["ready", "readyMs"],
  ["pushed", "pushedMs"],
  ["released", "releasedMs"],
] as const;

/** Asks the control plane for wakes. */
export class WakeReader {
  readonly #address: string | undefined;
  readonly #client: MeshConfigClient | undefined;

  /** @param address "host:port" of the control plane; undefined: it is not known. */
  constructor(address: string | undefined) {
    this.#address = address;
    this.#client =
      address === undefined
        ? undefined
        : new MeshConfigClient(address, credentials.createInsecure(), { "grpc.enable_http_proxy": 0 });
  }

  /**
   * The latest wakes, newest first.
   *
   * @throws RouseError FAILED_PRECONDITION CONTROL_UNKNOWN, UNAVAILABLE CONTROL_UNREACHABLE.
   */
  async list(service: string, limit: number): Promise<ListWakesResponse> {
    if (this.#client === undefined) {
      throw new RouseError(
        "FAILED_PRECONDITION",
        "This registry was not told where the control plane is, which knows the wakes. Start it with --control host:port.",
        { reason: "CONTROL_UNKNOWN" },
      );
    }
    const request = { service, limit: Math.min(limit || DEFAULT_LIMIT, MOST_LIMIT) };
    try {
      const { wakes } = await unary(this.#client, "listWakes", request, { deadlineMs: DEADLINE_MS });
      return { wakes: wakes.map(describeWake) };
    } catch (cause) {
      throw new RouseError(
        "UNAVAILABLE",
        `The control plane at ${this.#address}, which knows the wakes, does not answer. Start it, or see to its log.`,
        { reason: "CONTROL_UNREACHABLE", cause },
      );
    }
  }

  /** The connection to the control plane; undefined when its address is not known. */
  get client(): MeshConfigClient | undefined {
    return this.#client;
  }

  close(): void {
    this.#client?.close();
  }
}

/** A wake with the length of each stage that it reached. */
export function describeWake(wake: ControlWake): Wake {
  let before = wake.heldMs;
  const stages = STAGES.flatMap(([name, key]) => {
    const at = wake[key];
    if (at <= 0) return [];
    const durationMs = Math.max(0, at - before);
    before = Math.max(before, at);
    return [{ name, durationMs }];
  });
  const { service, version, generation, heldMs, host, error } = wake;
  return { service, version, generation, heldAtMs: heldMs, stages, host, error };
}
