import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { credentials } from "@grpc/grpc-js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { CatalogClient, SearchRequest } from "#proto/rouse/catalog/v1/catalog.ts";
import { unary } from "../../sdk/grpc.ts";
import { ContractStore } from "../catalog/contract/store.ts";
import type { RegistryContext } from "../context.ts";
import type { HttpRoute } from "../http.ts";
import { EdgeCaller } from "./caller.ts";
import { type McpScope, mcpServer } from "./server.ts";

/** Services that a search leads to. */
const MOST_SERVICES = 50;

export interface Mcp {
  readonly route: HttpRoute;
  close(): void;
}

/**
 * The Model Context Protocol at `/mcp` (Streamable HTTP, https://modelcontextprotocol.io), without sessions: each request stands
 * for itself, so that any registry can answer it. `?service=` (repeatable; a name, or the beginning of one that ends with a dot)
 * shows only these services' tools, `?tools=search` only those that find and call others.
 *
 * @param edge "host:port" of an edge: calls and searches go through it, as those of anybody.
 */
export function mcpRoute({ mesh, consul, log }: RegistryContext, edge: string): Mcp {
  const caller = new EdgeCaller(edge);
  const catalog = new CatalogClient(edge, credentials.createInsecure(), { "grpc.enable_http_proxy": 0 });
  const parts = {
    mesh,
    contracts: new ContractStore(consul),
    caller,
    version: ownVersion,
    search: async (query: string) => {
      const { hits } = await unary(
        catalog,
        "search",
        SearchRequest.fromPartial({ query, limit: MOST_SERVICES }),
      );
      return hits.map(({ service }) => service?.name ?? "");
    },
  };
  return {
    route: {
      prefix: "/mcp",
      async handle(request, response, url) {
        if (request.method !== "POST") return refuse(response);
        if (!mayCome(request, edge)) return refuseOrigin(response, request.headers.origin ?? "");
        const server = mcpServer(parts, scopeOf(request, url));
        const transport = new StreamableHTTPServerTransport({});
        response.on("close", () => {
          server.close().catch((err: unknown) => log.debug({ err }, "An MCP client left"));
        });
        // The SDK's own types disagree where a field may be undefined.
        await server.connect(transport as Parameters<typeof server.connect>[0]);
        await transport.handleRequest(request, response);
      },
    },
    close() {
      caller.close();
      catalog.close();
    },
  };
}

function scopeOf({ headers }: IncomingMessage, url: URL): McpScope {
  const { authorization } = headers;
  return {
    services: url.searchParams.getAll("service"),
    searchOnly: url.searchParams.get("tools") === "search",
    ...(authorization !== undefined && { authorization }),
  };
}

const loopback = /^(localhost|127\.0\.0\.1|\[::1\])$/;

/**
 * The protocol has servers check where a browser's request comes from, for a page may give its own name the address of this
 * host (DNS rebinding). Programs send no origin.
 */
function mayCome({ headers: { origin, host } }: IncomingMessage, edge: string): boolean {
  if (origin === undefined) return true;
  const from = URL.parse(origin);
  if (from === null) return false;
  const local = loopback.test(edge.slice(0, edge.lastIndexOf(":")));
  return local ? loopback.test(from.hostname) : from.host === host;
}

function refuseOrigin(response: ServerResponse, origin: string): void {
  const message = `Pages of ${origin.slice(0, 200)} may not use this MCP server: connect a program to it, or a page of its own host.`;
  response.writeHead(403, { "content-type": "application/json" });
  response.end(JSON.stringify({ jsonrpc: "2.0", error: { code: -32_000, message }, id: null }));
}

/** Nothing is told that nobody asked for, and there is no session to end. */
function refuse(response: ServerResponse): void {
  const message = "This MCP server has no sessions and sends nothing by itself: use POST.";
  response.writeHead(405, { allow: "POST", "content-type": "application/json" });
  response.end(JSON.stringify({ jsonrpc: "2.0", error: { code: -32_000, message }, id: null }));
}

const packageJson = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};
const ownVersion = packageJson.version;
