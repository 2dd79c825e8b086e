import type { UsageServer } from "#proto/rouse/usage/v1/usage.ts";
import { answer } from "../../sdk/answer.ts";
import { RouseError } from "../../sdk/errors.ts";
import type { RegistryContext } from "../context.ts";
import { traceStore } from "../traces/store.ts";
import { queryUsage } from "./query.ts";
import { usageStore } from "./store.ts";

const DEFAULT_TRACES = 20;
const MOST_TRACES = 200;

/** The service rouse.usage.v1.Usage. */
export function usageService(context: RegistryContext): UsageServer {
  const usage = usageStore(context);
  const traces = traceStore(context);
  return {
    queryUsage: answer(async (request) => ({ series: queryUsage(usage, request, Date.now()) })),
    getTrace: answer(async ({ traceId }) => {
      if (!/^[0-9a-f]{32}$/i.test(traceId))
        throw new RouseError(
          "INVALID_ARGUMENT",
          `"${traceId.slice(0, 64)}" is no trace id: give 32 hex digits, such as "rouse wakes" shows.`,
          { reason: "TRACE_ID_INVALID" },
        );
      const spans = traces.get(traceId.toLowerCase());
      if (spans.length > 0) return { spans };
      const hours = traces.limits.keptMs / 3_600_000;
      throw new RouseError(
        "NOT_FOUND",
        `No trace ${traceId} is kept. Traces are kept for ${hours} h, of busy meshes for less, and only of calls that are sampled (--trace-sampling); spans come some seconds after the call.`,
        { reason: "TRACE_UNKNOWN" },
      );
    }),
    listTraces: answer(async ({ service, limit }) => ({
      traces: traces.list(service, Math.min(limit || DEFAULT_TRACES, MOST_TRACES)),
    })),
  };
}
