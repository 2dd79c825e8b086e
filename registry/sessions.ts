import { z } from "zod";

/** How sessions live and move. Times in ms. */
export const sessionsSchema = z.strictObject({
  /** A session without call for so long is over. */
  idleMs: z.number().int().min(1_000).max(86_400_000),
  /** So long an instance that retires keeps its sessions. */
  retireMs: z.number().int().min(1_000).max(86_400_000),
  /** Longest time in which one session is handed over. */
  handOverMs: z.number().int().min(100).max(300_000),
});
export type Sessions = z.infer<typeof sessionsSchema>;

/** What a contract with a session key gets that says no more. */
export const DEFAULT_SESSIONS: Sessions = { idleMs: 300_000, retireMs: 600_000, handOverMs: 5_000 };

/** The sessions of a version; undefined when its contract names no session key. */
export function sessionsOf(manifest: {
  readonly sessionKey: string;
  readonly sessions?: Sessions;
}): Sessions | undefined {
  return manifest.sessionKey === "" ? undefined : (manifest.sessions ?? DEFAULT_SESSIONS);
}
