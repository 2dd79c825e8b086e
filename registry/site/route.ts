import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { type HttpRoute, plain } from "../http.ts";
import { type SiteFile, SiteFolder } from "./files.ts";

const builtSite = join(import.meta.dirname, "..", "..", "web", "dist");

/** The first parts of the paths that the site's own router knows. */
const pages = new Set([
  "",
  "services",
  "orders",
  "operations",
  "tasks",
  "runs",
  "artifacts",
  "reviews",
  "hosts",
  "builds",
  "providers",
]);

/** Scripts and styles come from the site alone, and it calls nobody but its own origin. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const security = {
  "content-security-policy": policy,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
};

const missing =
  'The site is not built: run "npm start", which builds it, or "npx vite build" in web/, and load this page again.';
const notTheEdge =
  "This is the registry's own HTTP port, which has the pages but answers no calls. Open the page at the mesh's edge; \"rouse status\" shows its address.";

/**
 * Serves the built site (web/dist): files with a hash in their name for good, the rest with an ETag, and the one
 * document for each path that its router knows.
 */
export function siteRoute(folder = builtSite): HttpRoute {
  const files = new SiteFolder(folder);
  return {
    prefix: "/",
    async handle(request, response, url) {
      if (request.method !== "GET" && request.method !== "HEAD") {
        refuse(request, response);
        return;
      }
      const site = await files.read();
      const document = site?.get("/index.html");
      if (site === undefined || document === undefined) {
        plain(response, 503, missing);
        return;
      }
      const file = site.get(url.pathname);
      if (file !== undefined) {
        send(request, response, file, 200);
        return;
      }
      if (url.pathname.startsWith("/assets/")) {
        plain(response, 404, `${url.pathname} is of another build of the site: load the page again.`);
        return;
      }
      send(request, response, document, pages.has(url.pathname.split("/")[1] ?? "") ? 200 : 404);
    },
  };
}

/** A gRPC-web call is told where to go, in gRPC's own way, so that the page can show the sentence. */
function refuse(request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  if (request.headers["content-type"]?.startsWith("application/grpc-web") === true)
    response
      .writeHead(200, {
        "content-type": "application/grpc-web+proto",
        "grpc-status": "9",
        "grpc-message": encodeURIComponent(notTheEdge),
      })
      .end();
  else plain(response.setHeader("allow", "GET, HEAD"), 405, notTheEdge);
}

function send(request: IncomingMessage, response: ServerResponse, file: SiteFile, status: number): void {
  const accepted = request.headers["accept-encoding"] ?? "";
  const encoding = (["br", "gzip"] as const).find(
    (name) =>
      file.encodings.has(name) && new RegExp(`\\b${name}\\b(?!\\s*;\\s*q=0(?![.\\d]))`).test(accepted),
  );
  const body = encoding === undefined ? file.body : (file.encodings.get(encoding) ?? file.body);
  const etag = `"${file.etag}${encoding === undefined ? "" : `-${encoding}`}"`;
  const headers = {
    ...security,
    "content-type": file.type,
    "cache-control": file.immutable ? "public, max-age=31536000, immutable" : "no-cache",
    etag,
    vary: "accept-encoding",
  };
  const known = request.headers["if-none-match"]?.split(/\s*,\s*/) ?? [];
  if (status === 200 && known.some((tag) => tag === "*" || tag.replace(/^W\//, "") === etag)) {
    response.writeHead(304, headers).end();
    return;
  }
  response.writeHead(status, {
    ...headers,
    "content-length": body.length,
    ...(encoding === undefined ? {} : { "content-encoding": encoding }),
  });
  response.end(request.method === "HEAD" ? undefined : body);
}
