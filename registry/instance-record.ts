import { z } from "zod";
import type { InstanceState } from "./state.ts";

/** Tag of every Consul service that is an instance. */
export const INSTANCE_TAG = "rouse";

/**
 * Consul's own check of a node, kept by its gossip. It says nothing of an instance: a host that comes back from a partition brings along
 * its belief that the others are dead, and each of them fails this check until it has objected (some 100 ms, seen with 1.22). Whether a
 * host is dead the orchestrator decides, which takes its instances out of the catalog.
 */
export const NODE_CHECK = "serfHealth";

const meta = z.object({
  version: z.string(),
  generation: z.coerce.number().int().min(1),
  host: z.string(),
  runtime: z.string(),
  address: z.string(),
  draining: z.enum(["true", "false"]),
  retiring: z.literal("true").exactOptional(),
  zone: z.string().min(1).exactOptional(),
  speed: z.coerce.number().positive().exactOptional(),
  started: z.coerce.number().exactOptional(),
  standby: z.literal("true").exactOptional(),
  "standby-since": z.coerce.number().default(0),
  "last-used": z.coerce.number().default(0),
  placed: z.string().exactOptional(),
  workers: z.string().min(1).exactOptional(),
});

/** An answer of /v1/health/service/<name>. */
export const healthAnswerSchema = z.array(
  z.object({
    Service: z.object({ ID: z.string(), Meta: z.record(z.string(), z.string()).nullable() }),
    Checks: z.array(z.object({ CheckID: z.string(), Status: z.string() })),
  }),
);
export type HealthEntry = z.infer<typeof healthAnswerSchema>[number];

/** The instance behind a Consul service; undefined when it was not registered by Rouse. */
export function instanceOf(entry: HealthEntry): { version: string; instance: InstanceState } | undefined {
  const parsed = meta.safeParse(entry.Service.Meta);
  if (!parsed.success) return undefined;
  const { version, generation, host, runtime, address, draining, retiring, zone, speed, started, placed } =
    parsed.data;
  const { standby, workers } = parsed.data;
  const frozen = { sinceMs: parsed.data["standby-since"], lastUsedMs: parsed.data["last-used"] };
  const healthy = entry.Checks.every(({ CheckID, Status }) => CheckID === NODE_CHECK || Status === "passing");
  const id = entry.Service.ID;
  return {
    version,
    instance: {
      id,
      generation,
      host,
      runtime,
      address,
      healthy,
      draining: draining === "true",
      ...(retiring !== undefined && { retiring: true }),
      ...(zone !== undefined && { zone }),
      ...(speed !== undefined && { speed }),
      ...(started !== undefined && { startedAtMs: started }),
      ...(standby !== undefined && { standby: frozen }),
      ...(placed !== undefined && { placed }),
      ...(workers !== undefined && { workers }),
    },
  };
}
