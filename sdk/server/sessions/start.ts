import type { Server } from "@grpc/grpc-js";
import type { ServiceDefinition, SessionTimes } from "../../definition.ts";
import type { ServerLog, SessionHooks } from "../types.ts";
import { SessionKeeper } from "./keeper.ts";

/** What an instance that no agent has started calls itself among others. */
const ownName = `process-${process.pid}-${Math.random().toString(36).slice(2)}`;

/** Of contracts that were generated before there were times in them, ms. */
const usualTimes: SessionTimes = { idleMs: 300_000, retireMs: 600_000, handOverMs: 5_000 };

/** A keeper of the service's sessions; undefined when its contract names no session key. */
export function keepSessions<State>(
  definition: ServiceDefinition,
  options: { readonly hooks: SessionHooks<State>; readonly state: () => State; readonly log: ServerLog },
): SessionKeeper<State> | undefined {
  if (definition.sessionKey === "") return undefined;
  const ownId = () => process.env.ROUSE_INSTANCE || ownName;
  return new SessionKeeper({ ...options, times: definition.sessions ?? usualTimes, ownId });
}

/**
 * Lets the keeper meet the other instances: by the mesh that the agent named. Loaded when there is something to load: the first
 * milliseconds of an instance are its callers'.
 */
export async function meetPeers<State>(
  server: Server,
  keeper: SessionKeeper<State>,
  { name: service }: ServiceDefinition,
  version: string,
): Promise<void> {
  const { addSessions } = await import("./service.ts");
  addSessions(server, keeper);
  const mesh = process.env.ROUSE_MESH;
  if (!mesh) return;
  const { Peers } = await import("./peers.ts");
  const ownId = () => process.env.ROUSE_INSTANCE || ownName;
  keeper.meet(
    new Peers({
      service,
      version,
      mesh,
      ownId,
      live: () => keeper.live,
      retires: (retiring) => (retiring ? keeper.retire() : keeper.stay()),
    }),
  );
}
