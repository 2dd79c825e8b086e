import { z } from "zod";

/** What an engine says of itself that is of interest here. Not every engine says it. */
const infoSchema = z.object({ LiveRestoreEnabled: z.boolean().optional() });

/**
 * What people should know of an engine whose containers end with it; undefined where they outlive it.
 *
 * @param engine such as "Docker 20.10.24"; Podman's containers need no engine to go on, whatever it says.
 * @param info what the engine answers to "docker info".
 */
export function liveRestoreWarning(engine: string, info: unknown): string | undefined {
  const { data } = infoSchema.safeParse(info);
  if (data?.LiveRestoreEnabled !== false || !engine.startsWith("Docker")) return undefined;
  return 'a restart of Docker ends its containers, as live-restore is off: calls under way in them fail. To turn it on, write {"live-restore": true} into /etc/docker/daemon.json and run "systemctl reload docker"';
}
