import { credentials } from "@grpc/grpc-js";
import { z } from "zod";
import { MeshConfigClient } from "#proto/rouse/meshconfig/v1/meshconfig.ts";
import { unary } from "../sdk/grpc.ts";
import type { RegistryContext } from "./context.ts";

/** Consul service of the control planes, each a candidate for the orchestrators' lock (leader.ts). */
const CONTROL_PLANES = "/v1/health/service/rouse-orchestrator?passing=1";
/** Envoys need milliseconds; what takes longer than this is no reason to hold up whoever registers, ms. */
const LONGEST_MS = 3_000;

const answerSchema = z.array(z.object({ Service: z.object({ Address: z.string(), Port: z.number() }) }));

/**
 * Resolves when the Envoys route by a version that Consul has, so that a call made then finds it. Never rejects: a control plane
 * that is away says so elsewhere.
 */
export async function untilRouted(
  { consul, log }: Pick<RegistryContext, "consul" | "log">,
  service: string,
  version: string,
  tags: readonly string[],
): Promise<void> {
  try {
    const response = await consul.request("GET", CONTROL_PLANES);
    const found = answerSchema.parse(JSON.parse(response.text));
    await Promise.all(
      found.map(async ({ Service: { Address: address, Port: port } }) => {
        const host = address.includes(":") ? `[${address}]` : address;
        const client = new MeshConfigClient(`${host}:${port}`, credentials.createInsecure());
        try {
          await unary(
            client,
            "awaitRoutes",
            { service, version, tags: [...tags] },
            { deadlineMs: LONGEST_MS },
          );
        } finally {
          client.close();
        }
      }),
    );
  } catch (err) {
    log.warn({ err, service, version }, "it is not known whether Envoys route by the new version yet");
  }
}
