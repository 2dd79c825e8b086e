import { isDeepStrictEqual } from "node:util";
import type { ServerWritableStream } from "@grpc/grpc-js";
import type {
  InstanceHealth,
  JobsHeld,
  LeftOut,
  WatchHealthRequest,
  WatchHealthResponse,
} from "#proto/rouse/agent/v1/agent.ts";
import { addressKey } from "../../registry/target.ts";
import type { Holdings } from "../artifacts/holdings.ts";
import type { Jobs } from "../jobs/jobs.ts";
import type { Outliers } from "./outliers.ts";
import type { InstanceVitals } from "./vitals.ts";

type Call = ServerWritableStream<WatchHealthRequest, WatchHealthResponse>;

const NOTHING_HELD = { held: [], heldNoMore: [] };

/**
 * Serves WatchHealth. A reader that is slow gets the newest of each instance, not all that was in between. The first message says
 * that the stream is there, even where nothing runs.
 */
export function streamHealth(
  {
    vitals,
    jobs,
    outliers,
    holdings,
  }: {
    readonly vitals: InstanceVitals;
    readonly jobs: Pick<Jobs, "held" | "watch">;
    readonly outliers: Pick<Outliers, "watch">;
    readonly holdings: Holdings;
  },
  call: Call,
): void {
  const waiting = new Map<string, InstanceHealth>();
  const waitingOut = new Map<string, LeftOut>();
  const toldHeld = new Set<string>();
  // To find what is new goes through all that the host has, and how instances do is told often.
  let isHeldNews = true;
  let told: JobsHeld | undefined;
  let isFull = false;
  const flush = () => {
    if (isFull) return;
    const jobsHeld = jobs.held;
    const isNews = !isDeepStrictEqual(jobsHeld, told);
    const { held, heldNoMore } = isHeldNews ? holdings.newsSince(toldHeld) : NOTHING_HELD;
    isHeldNews = false;
    if (waiting.size + waitingOut.size + held.length + heldNoMore.length === 0 && !isNews) return;
    const instances = [...waiting.values()];
    const leftOut = [...waitingOut.values()];
    waiting.clear();
    waitingOut.clear();
    told = jobsHeld;
    isFull = !call.write({
      instances,
      jobs: isNews ? jobsHeld : undefined,
      leftOut,
      held,
      heldNoMore,
    });
  };
  call.on("drain", () => {
    isFull = false;
    flush();
  });
  const endVitals = vitals.watch((changed) => {
    for (const health of changed) waiting.set(health.instanceId, health);
    flush();
  });
  const endOutliers = outliers.watch((changed) => {
    for (const one of changed) waitingOut.set(addressKey(one, one.address), one);
    flush();
  });
  const endJobs = jobs.watch(flush);
  const endHoldings = holdings.watch(() => {
    isHeldNews = true;
    flush();
  });
  const end = () => {
    endVitals();
    endOutliers();
    endJobs();
    endHoldings();
  };
  call.on("cancelled", end);
  call.on("error", end);
}
