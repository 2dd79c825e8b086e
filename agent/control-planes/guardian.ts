import { isDeepStrictEqual } from "node:util";
import { controlPlaneFileOf, writeControlPlaneFile } from "../../mesh-config/control-plane-file.ts";
import { type ControlPlanesWatch, watchControlPlanes } from "../../registry/control-planes.ts";
import { duties, missing } from "./duty.ts";
import { preferred } from "./order.ts";
import { Spare, type SpareOptions } from "./spare.ts";

/** Tells this host's Envoy where the control planes are, and stands in for those that are missing. */
export class Guardian {
  readonly #options: SpareOptions;
  readonly #watch: ControlPlanesWatch;
  readonly #missingSinceMs = new Map<string, number>();
  readonly #spares = new Map<string, Spare>();
  readonly #closing = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #told: readonly string[] = [];

  constructor(options: SpareOptions) {
    this.#options = options;
    const { consul, log } = options;
    this.#watch = watchControlPlanes(consul, { slots: true, log, onChange: () => this.#look() });
  }

  async close(): Promise<void> {
    this.#watch.close();
    clearTimeout(this.#timer);
    for (const slot of this.#spares.keys()) this.#release(slot);
    await Promise.all(this.#closing);
  }

  #look(): void {
    this.#tellEnvoy();
    const { host } = this.#options;
    const view = { slots: this.#watch.slots(), planes: this.#watch.planes() };
    const nowMs = performance.now();
    const gone = missing(view);
    for (const slot of this.#missingSinceMs.keys()) if (!gone.has(slot)) this.#missingSinceMs.delete(slot);
    for (const slot of gone) if (!this.#missingSinceMs.has(slot)) this.#missingSinceMs.set(slot, nowMs);
    const due = duties({ ...view, host, missingSinceMs: this.#missingSinceMs, nowMs });
    for (const slot of this.#spares.keys()) if (!due.slots.has(slot)) this.#release(slot);
    for (const slot of due.slots) {
      const wanted = view.slots.get(slot);
      if (wanted !== undefined && !this.#spares.has(slot))
        this.#spares.set(slot, new Spare(slot, wanted, this.#options));
    }
    clearTimeout(this.#timer);
    if (Number.isFinite(due.lookAgainMs))
      this.#timer = setTimeout(() => this.#look(), Math.max(10, due.lookAgainMs - nowMs)).unref();
  }

  #release(slot: string): void {
    const closed = this.#spares.get(slot)?.close();
    this.#spares.delete(slot);
    if (closed === undefined) return;
    this.#closing.add(closed);
    void closed.finally(() => this.#closing.delete(closed));
  }

  /** What an Envoy has heard last stays good while Consul is away or knows nobody. */
  #tellEnvoy(): void {
    const { host, dataDir, log } = this.#options;
    const addresses = preferred(this.#watch.planes(), host);
    if (addresses.length === 0 || isDeepStrictEqual(addresses, this.#told)) return;
    try {
      writeControlPlaneFile(controlPlaneFileOf(dataDir), addresses);
      this.#told = addresses;
    } catch (err) {
      log.warn({ err }, "this host's Envoy cannot be told of the control planes; it keeps those it knows");
    }
  }
}
