import type { Server } from "@grpc/grpc-js";
import { type ScalingServer, ScalingService } from "#proto/rouse/orchestrator/v1/scaling.ts";
import { answer } from "../../sdk/answer.ts";
import type { Orchestrator } from "../orchestrator.ts";
import type { ScalingAdviser } from "./adviser.ts";
import type { RecordedLoads } from "./recorded.ts";

/** Most spans of one answer, which gRPC's limit of 4 MiB has room for. */
const MOST_SPANS = 10_000;

/** Adds the service rouse.orchestrator.v1.Scaling to a server. */
export function addScalingService(
  server: Server,
  orchestrator: Orchestrator,
  adviser: ScalingAdviser,
  recorded: RecordedLoads,
): void {
  const handlers: ScalingServer = {
    getLoad: answer(async ({ service, version }) => {
      orchestrator.requireLeading();
      const { samples, wanted } = adviser.load(service, version);
      return { samples: [...samples], wanted: wanted?.instances ?? 0, reason: wanted?.reason ?? "" };
    }),
    listRecorded: answer(async ({ sinceMs, limit }) => {
      const found = recorded.since(sinceMs, Math.min(Math.max(limit, 1), MOST_SPANS));
      return { loads: found.map(({ service, version, ...sample }) => ({ service, version, sample })) };
    }),
  };
  server.addService(ScalingService, handlers);
}
