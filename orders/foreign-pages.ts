import { ServerInterceptingCall, type ServerInterceptor } from "@grpc/grpc-js";
import { EDGE_HEADER } from "../mesh-config/resources/registry-routes.ts";
import { statusObject } from "../sdk/answer.ts";
import { RouseError } from "../sdk/errors.ts";

/*
 * Services at the edge are called by pages of any site, with nothing but the ids that these have. Other people's work is not for
 * such pages: a browser on somebody's desk must not tell them what is going on in a mesh, nor have jobs run there.
 */

/** What a page of another site needs for async calls of services that it may call anyway. */
const OPEN = /^\/rouse\.orders\.v1\.Operations\/(Start|Get|Wait|Watch|Cancel)Operation$/;

/** The request headers that tell from where a browser's page is. */
export interface PageHeaders {
  /** Whether the request came through the edge. */
  readonly edge: boolean;
  readonly origin: string | undefined;
  readonly host: string | undefined;
  /** Sec-Fetch-Site, which pages cannot set. */
  readonly site: string | undefined;
}

/** True for a request of a page that came from elsewhere than the edge itself. Programs send no origin. */
export function foreignPage({ edge, origin, host, site }: PageHeaders): boolean {
  if (!edge || origin === undefined || site === "same-origin") return false;
  return URL.parse(origin)?.host !== host;
}

/** PERMISSION_DENIED for a page of another site. */
export function foreignPageError(origin: string): RouseError {
  return new RouseError(
    "PERMISSION_DENIED",
    `Pages of ${origin.slice(0, 200)} may start async calls through this edge and follow them by their ids, and nothing else of orders. Use the mesh's own site, or a program. A proxy before the edge has to pass the Host header on.`,
    { reason: "PAGE_FOREIGN" },
  );
}

/** Refuses calls of foreign pages before their handlers see them. */
export const refuseForeignPages: ServerInterceptor = (method, call) => {
  if (OPEN.test(method.path)) return new ServerInterceptingCall(call);
  return new ServerInterceptingCall(call, {
    start: (next) =>
      next({
        onReceiveMetadata(metadata, pass) {
          const first = (name: string) => metadata.get(name)[0]?.toString();
          const origin = first("origin");
          const headers = {
            edge: first(EDGE_HEADER) !== undefined,
            origin,
            host: call.getHost(),
            site: first("sec-fetch-site"),
          };
          if (foreignPage(headers)) call.sendStatus(statusObject(foreignPageError(origin ?? "")));
          else pass(metadata);
        },
      }),
  });
};
