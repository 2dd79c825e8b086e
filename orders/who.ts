import type { Metadata } from "@grpc/grpc-js";
import { EDGE_HEADER } from "../mesh-config/resources/registry-routes.ts";
import { RouseError } from "../sdk/errors.ts";
import { CALLER_HEADER, USER_HEADER } from "../sdk/usage/caller.ts";

/** Metadata in which those before the handlers note whose key a call at the edge brought; what callers say there is taken off. */
export const PROVIDER_HEADER = "x-rouse-provider";

/** Who makes a call. */
export interface Who {
  /**
   * A service, a person, or "outside"; as they say themselves, for within the mesh all trust one another. Of a call at the edge that
   * brings a key its provider.
   */
  readonly name: string;
  /** Provider whose key a call at the edge brings, or "administrator"; empty: none. */
  readonly provider: string;
  /** The service that calls; empty: none. */
  readonly service: string;
  /** The call came in through the edge. */
  readonly outside: boolean;
}

const LONGEST = 200;

export function whoCalls(metadata: Metadata): Who {
  return who((name) => {
    const [value] = metadata.get(name);
    return typeof value === "string" ? value : undefined;
  });
}

/** The same of a request over HTTP. */
export function whoAsks(headers: Readonly<Record<string, string | string[] | undefined>>): Who {
  return who((name) => [headers[name]].flat()[0]);
}

function who(header: (name: string) => string | undefined): Who {
  const outside = header(EDGE_HEADER) !== undefined;
  if (outside) {
    const provider = header(PROVIDER_HEADER) ?? "";
    return { name: provider || "outside", provider, service: "", outside };
  }
  const service = header(CALLER_HEADER)?.slice(0, LONGEST) ?? "";
  return {
    name: service || header(USER_HEADER)?.slice(0, LONGEST) || "somebody",
    provider: "",
    service,
    outside,
  };
}

/**
 * Refuses what is not for the world.
 *
 * @param what Such as "Removing an artifact".
 * @throws RouseError PERMISSION_DENIED ONLY_WITHIN_MESH.
 */
export function withinMesh({ outside }: Who, what: string): void {
  if (!outside) return;
  throw new RouseError(
    "PERMISSION_DENIED",
    `${what} is for the services of the mesh and for who administers it, not for callers at the edge. Call the mesh's own listener, or use the command line on a host of it.`,
    { reason: "ONLY_WITHIN_MESH" },
  );
}
