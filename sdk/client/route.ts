import type { Client } from "@grpc/grpc-js";
import type { SharedChannel } from "./channel.ts";

/** "broken": with another server error than UNAVAILABLE. */
export type Failure = "unavailable" | "broken";

/** The way of one attempt of a call. */
export interface Way {
  readonly grpc: Client;
  /** The exact version that was chosen for it; undefined: as the client asks. */
  readonly version: string | undefined;
  /** Of the instance that is called directly; undefined: through Envoy. */
  readonly address: string | undefined;
  /** The mesh has answered there before. */
  readonly isKnown: boolean;
  /** To be called once at the attempt's end. @param failure undefined: nothing that speaks against who was called. */
  end(failure: Failure | undefined): void;
}

/** Chooses the way of each attempt. */
export interface Route {
  /** @param avoid Addresses that failed earlier attempts of the call. */
  take(avoid: ReadonlySet<string>): Way;
  close(): void;
}

/** Through Envoy. */
export function envoyWay(channel: SharedChannel, version: string | undefined): Way {
  const { grpc, isKnown } = channel;
  const end = (failure: Failure | undefined) => {
    if (failure !== "unavailable") channel.isKnown = true;
  };
  return { grpc, version, address: undefined, isKnown, end };
}

/** All through Envoy. */
export function envoyRoute(channel: SharedChannel): Route {
  return {
    take: () => envoyWay(channel, undefined),
    close: channel.release,
  };
}

/**
 * Direct calls, once that is loaded: most clients never need it. Until then, and where the mesh tells of no instances,
 * through Envoy.
 */
export function directRoute(channel: SharedChannel, load: () => Promise<Route>): Route {
  const envoy = envoyRoute(channel);
  let direct: Route | undefined;
  let loading = false;
  let closed = false;
  return {
    take(avoid) {
      if (direct !== undefined && !closed) return direct.take(avoid);
      const way = envoy.take(avoid);
      if (!loading) {
        loading = true;
        void load().then((route) => {
          direct = route;
          if (closed) route.close();
        });
      }
      return way;
    },
    close() {
      if (closed) return;
      closed = true;
      direct?.close();
      envoy.close();
    },
  };
}
