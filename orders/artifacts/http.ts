import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Logger } from "pino";
import { EDGE_HEADER } from "../../mesh-config/resources/registry-routes.ts";
import type { HttpRoute } from "../../registry/http.ts";
import { FILE_HEADER } from "../../sdk/client/artifacts/http.ts";
import { RouseError } from "../../sdk/errors.ts";
import type { ContentGuard } from "../edge-keys.ts";
import { foreignPage, foreignPageError } from "../foreign-pages.ts";
import { whoAsks, withinMesh } from "../who.ts";
import { invalidUpload } from "./errors.ts";
import { parseRange } from "./http-range.ts";
import { httpStatus } from "./http-status.ts";
import type { Artifacts } from "./store.ts";
import { artifactUri } from "./uri.ts";

/** Where artifacts are on the HTTP side of orders, and behind Envoy. */
export const CONTENT_PATH = "/content";

/** How long a request is still read whose answer is clear already, so that its sender hears it; ms. */
const LINGER_MS = 5_000;

/**
 * Artifacts over HTTP, for browsers and for speed:
 *
 *   GET, HEAD /content/sha256-<digest>[/<name>][?download]   with Range
 *   PUT       /content/uploads/<id>?offset=<n>               the rest of an upload; answers with its offset
 *   HEAD      /content/uploads/<id>                          tells in which file it is gathered, for who shares the disk
 *   PUT       /content/uploads/<id>?offset=<n>&written=<m>   bytes n to m have been written to that file
 *   PUT, POST /content/new?name=<name>&sha256=<digest>       all of an artifact; answers with it
 *
 * @param guard asked before each. Default: whoever knows a digest may read it.
 */
export function artifactsRoute(artifacts: Artifacts, log: Logger, guard?: ContentGuard): HttpRoute {
  return {
    prefix: CONTENT_PATH,
    async handle(request, response, url) {
      try {
        await guard?.(request);
        await route(artifacts, request, response, url);
      } catch (thrown) {
        const error = RouseError.from(thrown);
        if (error.status === "INTERNAL") log.warn({ err: error, path: url.pathname }, "a request failed");
        refuse(request, response, error);
      }
    },
  };
}

async function route(
  artifacts: Artifacts,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
): Promise<void> {
  const [first = "", second = ""] = url.pathname.slice(CONTENT_PATH.length + 1).split("/");
  const { method } = request;
  const writes = method === "PUT" || method === "POST";
  if (writes) refuseForeign(request);
  if (writes && first === "uploads") {
    const offset = Number(url.searchParams.get("offset") ?? "0");
    const written = url.searchParams.get("written");
    if (written === null) json(response, 200, await artifacts.uploads.write(second, offset, request));
    else json(response, 200, await takeWritten(artifacts, request, second, offset, Number(written)));
  } else if (method === "HEAD" && first === "uploads") {
    withinMesh(whoAsks(request.headers), "Where an upload is gathered");
    response.setHeader(FILE_HEADER, encodeURIComponent(await artifacts.uploads.fileOf(second)));
    response.end();
  } else if (writes && first === "new") {
    json(response, 201, await putWhole(artifacts, request, url));
  } else if ((method === "GET" || method === "HEAD") && first !== "") {
    await get(artifacts, request, response, first, url.searchParams.has("download"));
  } else {
    throw new RouseError(
      "UNIMPLEMENTED",
      `${method} ${url.pathname} is nothing that artifacts have. There are GET ${CONTENT_PATH}/sha256-DIGEST and PUT ${CONTENT_PATH}/new?name=NAME.`,
      { reason: "ARTIFACT_REQUEST_UNKNOWN" },
    );
  }
}

function refuseForeign({ headers }: IncomingMessage): void {
  const { origin, host } = headers;
  const edge = headers[EDGE_HEADER] !== undefined;
  if (foreignPage({ edge, origin, host, site: [headers["sec-fetch-site"]].flat()[0] }))
    throw foreignPageError(origin ?? "");
}

/** The sender has written it to the upload's file itself. */
async function takeWritten(
  artifacts: Artifacts,
  request: IncomingMessage,
  id: string,
  offset: number,
  to: number,
) {
  withinMesh(whoAsks(request.headers), "Writing to the file of an upload");
  if (!Number.isSafeInteger(to)) throw invalidUpload("written is no number of bytes");
  request.resume();
  return artifacts.uploads.take(id, offset, to);
}

async function putWhole(artifacts: Artifacts, request: IncomingMessage, url: URL) {
  const { uploads } = artifacts;
  const asked = url.searchParams;
  const metadata = [...asked].flatMap(([key, value]) =>
    key.startsWith("meta.") ? [[key.slice(5), value] as const] : [],
  );
  const name = asked.get("name") ?? "";
  const { id } = await uploads.begin({
    id: "",
    name,
    mediaType: asked.get("media-type") ?? "",
    metadata: Object.fromEntries(metadata),
    keepMs: 0,
    keepForever: false,
    holder: "",
    bytes: Number(request.headers["content-length"] ?? 0),
    owner: whoAsks(request.headers).name,
  });
  try {
    await uploads.write(id, 0, request);
    const { digest } = await uploads.finish(id, asked.get("sha256") ?? "");
    return await artifacts.get(artifactUri(digest, name));
  } catch (error) {
    await uploads.abandon(id).catch(() => undefined);
    throw error;
  }
}

async function get(
  artifacts: Artifacts,
  request: IncomingMessage,
  response: ServerResponse,
  id: string,
  download: boolean,
): Promise<void> {
  const { uri, bytes, name, mediaType } = await artifacts.get(`artifact:${id}`);
  const tag = `"${id}"`;
  const range = parseRange(request.headers.range, bytes);
  response.setHeader("etag", tag);
  response.setHeader("accept-ranges", "bytes");
  // What has this name never changes.
  response.setHeader("cache-control", "private, max-age=31536000, immutable");
  response.setHeader("content-security-policy", mediaType === "application/pdf" ? FRAME : SANDBOX);
  response.setHeader("x-content-type-options", "nosniff");
  if (request.headers["if-none-match"] === tag) {
    response.writeHead(304).end();
    return;
  }
  if (range === "unsatisfiable") {
    response.setHeader("content-range", `bytes */${bytes}`);
    throw new RouseError(
      "OUT_OF_RANGE",
      `${uri} has ${bytes} bytes, and not those of ${request.headers.range}.`,
      {
        reason: "ARTIFACT_RANGE",
        metadata: { bytes: String(bytes) },
      },
    );
  }
  const { from, to } = range ?? { from: 0, to: bytes - 1 };
  const text = mediaType.startsWith("text/") && !mediaType.includes("charset");
  response.setHeader(
    "content-type",
    text ? `${mediaType}; charset=utf-8` : mediaType || "application/octet-stream",
  );
  response.setHeader("content-length", to - from + 1);
  response.setHeader("content-disposition", disposition(download, name));
  if (range !== undefined) response.setHeader("content-range", `bytes ${from}-${to}/${bytes}`);
  response.statusCode = range === undefined ? 200 : 206;
  if (request.method === "HEAD" && !whoAsks(request.headers).outside) {
    const file = await artifacts.fileOf(uri);
    if (file !== undefined) response.setHeader(FILE_HEADER, encodeURIComponent(file));
  }
  if (request.method === "HEAD" || bytes === 0) {
    response.end();
    return;
  }
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  const { chunks } = await artifacts.readout(uri, {
    offset: from,
    length: to - from + 1,
    signal: gone.signal,
  });
  // Headers go out with the first block that is good: who gets an error instead gets its message.
  for await (const chunk of chunks) {
    if (gone.signal.aborted) return;
    if (response.write(chunk)) continue;
    await once(response, "drain", { signal: gone.signal }).catch(() => undefined);
  }
  response.end();
}

/** Whoever stored it may be a stranger: in a browser it runs nothing, and has nothing of the site's. */
const FRAME = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; media-src 'self'";
const SANDBOX = `${FRAME}; sandbox`;

function disposition(download: boolean, name: string): string {
  const escaped = encodeURIComponent(name).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);
  return `${download ? "attachment" : "inline"}${name === "" ? "" : `; filename*=UTF-8''${escaped}`}`;
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(`${JSON.stringify(body)}\n`);
}

/** Tells an error; once content has begun to flow, its missing end tells it. */
function refuse(request: IncomingMessage, response: ServerResponse, error: RouseError): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  for (const name of ["content-length", "content-disposition", "cache-control", "etag"])
    response.removeHeader(name);
  response.setHeader("connection", "close");
  const { code, reason, message, metadata } = error;
  json(response, httpStatus(error.status), { code, reason, message, metadata });
  if (request.complete || request.destroyed) return;
  request.resume();
  const linger = setTimeout(() => request.destroy(), LINGER_MS);
  request.once("close", () => clearTimeout(linger));
}
