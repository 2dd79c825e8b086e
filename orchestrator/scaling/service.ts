import type { Server } from "@grpc/grpc-js";
import { type ScalingServer, ScalingService } from "#proto/rouse/orchestrator/v1/scaling.ts";
import { answer } from "../../sdk/answer.ts";
import type { Orchestrator } from "../orchestrator.ts";
import type { ScalingAdviser } from "./adviser.ts";

/** Adds the service rouse.orchestrator.v1.Scaling to a server. */
export function addScalingService(server: Server, orchestrator: Orchestrator, adviser: ScalingAdviser): void {
  const handlers: ScalingServer = {
    getLoad: answer(async ({ service, version }) => {
      orchestrator.requireLeading();
      const { samples, wanted } = adviser.load(service, version);
      return { samples: [...samples], wanted: wanted?.instances ?? 0, reason: wanted?.reason ?? "" };
    }),
  };
  server.addService(ScalingService, handlers);
}
