import { readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { ContractStore } from "../catalog/contract/store.ts";
import type { RegistryContext } from "../context.ts";
import { exposedServices, exposedVersion } from "../exposed.ts";
import { type HttpRoute, plain } from "../http.ts";
import type { VersionManifest } from "../state.ts";
import { openApiDocument } from "./document.ts";
import { page, pageScript } from "./page.ts";

/** Folder of Swagger's page among the paths; no service has this name. */
const ASSETS = "/openapi/-/";

const swagger = dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));
const assets = new Map([
  ["swagger-ui.css", "text/css; charset=utf-8"],
  ["swagger-ui-bundle.js", "text/javascript; charset=utf-8"],
]);

/** Swagger's page sets styles from its script; all it loads is from here. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/**
 * OpenAPI: `/openapi` lists the external services, `/openapi/<service>.json` is a document, `/openapi/<service>` a page to read
 * it and to try it out. `?version=` names a version; the default is what callers get who name none.
 */
export function openApiRoute({ mesh, consul }: RegistryContext): HttpRoute {
  const contracts = new ContractStore(consul);
  const made = new WeakMap<VersionManifest, string>();

  const document = async (service: string, spec: string): Promise<string | undefined> => {
    const state = (await mesh.state()).services.get(service);
    const found = state && exposedVersion(service, state, spec);
    if (found === undefined) return undefined;
    const { manifest } = found.state;
    const text =
      made.get(manifest) ?? JSON.stringify(openApiDocument(await contracts.get(manifest), manifest));
    made.set(manifest, text);
    return text;
  };

  const list = async (): Promise<string> => {
    const services = exposedServices(await mesh.state()).map(({ service, version, state }) => ({
      service,
      version,
      summary: state.manifest.summary,
      document: `/openapi/${service}.json`,
      page: `/openapi/${service}`,
    }));
    return JSON.stringify({ services: services.sort((a, b) => (a.service < b.service ? -1 : 1)) });
  };

  return {
    prefix: "/openapi",
    async handle(request, response, url) {
      if (request.method !== "GET" && request.method !== "HEAD") {
        plain(response, 405, "OpenAPI documents are only read here: use GET.");
        return;
      }
      const path = url.pathname.replace(/\/$/, "");
      if (path === "/openapi") return send(request, response, "application/json", await list());
      if (path.startsWith(ASSETS)) return sendAsset(request, response, path.slice(ASSETS.length));
      const name = path.slice("/openapi/".length);
      const service = name.replace(/\.json$/, "");
      const spec = url.searchParams.get("version") ?? "";
      const text = await document(service, spec);
      if (text === undefined) {
        const which = spec === "" ? service : `${service} ${spec}`;
        plain(
          response,
          404,
          `${which.slice(0, 300)} is no external service's version; /openapi lists what there is.`,
        );
        return;
      }
      if (name !== service) return send(request, response, "application/json", text);
      const query = spec === "" ? "" : `?version=${encodeURIComponent(spec)}`;
      send(request, response, "text/html; charset=utf-8", page(service, `/openapi/${service}.json${query}`));
    },
  };
}

function send(request: IncomingMessage, response: ServerResponse, type: string, text: string | Buffer): void {
  response.writeHead(200, {
    "content-type": type,
    "cache-control": "no-cache",
    "content-security-policy": policy,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
  });
  response.end(request.method === "HEAD" ? undefined : text);
}

async function sendAsset(request: IncomingMessage, response: ServerResponse, name: string): Promise<void> {
  const type = assets.get(name);
  if (name === "page.js") send(request, response, "text/javascript; charset=utf-8", pageScript);
  else if (type === undefined) plain(response, 404, `Nothing is at ${ASSETS}${name.slice(0, 100)}.`);
  else {
    send(request, response, type, await readFile(join(swagger, name)));
  }
}
