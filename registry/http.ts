import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Logger } from "pino";
import { RouseError } from "../sdk/errors.ts";
import { listenError } from "../sdk/grpc.ts";

/** Answers the requests whose path begins with a prefix. */
export interface HttpRoute {
  /** Such as "/mcp"; "/" takes what no other route does. */
  readonly prefix: string;
  /** Not for the world: requests that come through the edge do not find it. */
  readonly local?: boolean;
  handle(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> | void;
}

export interface RunningHttp {
  /** "host:port". */
  readonly address: string;
  close(): Promise<void>;
}

/**
 * The registry's HTTP side: site, MCP, OpenAPI, metrics. The longest prefix wins.
 *
 * @param listen "host:port"; port 0: any.
 * @throws RouseError ADDRESS_IN_USE, ADDRESS_UNUSABLE.
 */
export async function startHttp(
  listen: string,
  routes: readonly HttpRoute[],
  log: Logger,
): Promise<RunningHttp> {
  const sorted = [...routes].sort((a, b) => b.prefix.length - a.prefix.length);
  const server = createServer((request, response) => {
    const url = URL.parse(request.url ?? "/", "http://registry");
    const fromEdge = request.headers["x-rouse-edge"] !== undefined;
    const route =
      url === null
        ? undefined
        : sorted.find(({ prefix, local }) => under(url.pathname, prefix) && !(local && fromEdge));
    if (url === null || route === undefined) {
      plain(response, 404, `Nothing is at ${request.url}.`);
      return;
    }
    Promise.resolve()
      .then(() => route.handle(request, response, url))
      .catch((thrown: unknown) => {
        const error = RouseError.from(thrown);
        log.warn({ err: error, path: url.pathname }, "A request failed");
        if (response.headersSent) response.destroy();
        else plain(response, 500, error.message);
      });
  });
  const [, host = "", port = ""] = /^(.*):(\d+)$/.exec(listen) ?? [];
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(listenError(listen, error)));
    server.listen(Number(port), host.replace(/^\[(.*)\]$/, "$1"), resolve);
  });
  const bound = server.address() as AddressInfo;
  return {
    address: `${host}:${bound.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Ends a request with a line of text. */
export function plain(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" }).end(`${text}\n`);
}

function under(path: string, prefix: string): boolean {
  return prefix === "/" || path === prefix || path.startsWith(`${prefix}/`);
}
