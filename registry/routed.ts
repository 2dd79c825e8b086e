import { credentials } from "@grpc/grpc-js";
import { MeshConfigClient } from "#proto/rouse/meshconfig/v1/meshconfig.ts";
import { unary } from "../sdk/grpc.ts";
import type { RegistryContext } from "./context.ts";
import { listControlPlanes } from "./control-planes.ts";

/** Envoys need milliseconds; what takes longer than this is no reason to hold up whoever registers, ms. */
const LONGEST_MS = 3_000;

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
    const found = (await listControlPlanes(consul)).filter(({ healthy }) => healthy);
    await Promise.all(
      found.map(async ({ address }) => {
        const client = new MeshConfigClient(address, credentials.createInsecure());
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
