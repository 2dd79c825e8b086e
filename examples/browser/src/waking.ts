import { createCatalogBrowserClient } from "../../../web/gen/rouse/catalog/v1/catalog.browser.ts";
import type { Wake } from "../../../web/gen/rouse/catalog/v1/catalog.ts";

/** How far a service is, as Catalog.WatchState tells it. */
export interface ServiceProgress {
  readonly service: string;
  readonly version: string;
  /** "cold", "standby", "starting", "warm", "failed", "stopped", "pending". */
  readonly state: string;
  /** Why, for failed and stopped. */
  readonly reason: string;
  /** Host of an instance; "": there is none yet. */
  readonly host: string;
}

/** Watches the state of services, and what their wakes took. */
export interface Waking {
  /** The latest state of all versions of the services. */
  states(): readonly ServiceProgress[];
  /** Wakes that ended since the page was opened, newest first. */
  wakes(): readonly Wake[];
  /** What a wake of the version usually takes, ms; 0: nobody knows. */
  usualMs(service: string, version: string): number;
}

const pauseMs = 2_000;

/**
 * Follows the state of the services by a server stream. A catalog that cannot be reached, or an older mesh, leaves the page
 * without stages: it shows the time alone.
 *
 * @param show is called at each change.
 */
export function watchWaking(edge: string, services: ReadonlySet<string>, show: () => void): Waking {
  const catalog = createCatalogBrowserClient({ baseUrl: edge });
  const states = new Map<string, ServiceProgress>();
  const began = Date.now();
  let all: readonly Wake[] = [];
  const readWakes = async () => {
    const answer = await catalog.listWakes({ service: "", limit: 200 }).catch(() => undefined);
    if (answer === undefined) return;
    all = answer.wakes.filter(({ service }) => services.has(service));
    show();
  };
  const follow = async () => {
    for await (const { services: changed } of catalog.watchState({ service: "" }, { deadlineMs: 0 })) {
      let woke = false;
      for (const { name, versions } of changed) {
        if (!services.has(name)) continue;
        for (const { version, state, reason, instances } of versions) {
          const key = `${name}@${version}`;
          woke ||= state === "warm" && states.get(key)?.state !== "warm";
          states.set(key, { service: name, version, state, reason, host: instances[0]?.host ?? "" });
        }
      }
      show();
      // The last stages are written down a moment after the instance runs.
      if (woke) setTimeout(() => void readWakes(), 400);
    }
  };
  const keep = async () => {
    for (;;) {
      // UNIMPLEMENTED, or the edge is away: the page works without.
      await follow().catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  };
  void keep();
  void readWakes();
  return {
    states: () => [...states.values()],
    wakes: () =>
      all.filter(
        ({ heldAtMs, stages, error }) =>
          heldAtMs > began - pauseMs &&
          (error !== "" || stages.some(({ name, durationMs }) => name === "released" && durationMs > 0)),
      ),
    usualMs(service, version) {
      const times = all
        .filter((wake) => wake.service === service && wake.version === version && wake.error === "")
        .map(({ stages }) => stages.reduce((sum, { durationMs }) => sum + durationMs, 0))
        .sort((a, b) => a - b);
      return times[Math.floor(times.length / 2)] ?? 0;
    },
  };
}
