import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { listenError } from "../sdk/grpc.ts";
import { EXPLAIN_DETAILS, EXPLAIN_MESSAGE, EXPLAIN_STATUS } from "./resources/clusters.ts";

/** A server that ends every gRPC call with the status and message that request headers name. */
export interface Explainer {
  /** "host:port". */
  readonly address: string;
  close(): Promise<void>;
}

/**
 * Starts the explainer. It keeps nothing: what to say comes with each call, put there by the explaining cluster's filter.
 *
 * @param host IP address to listen on, any free port.
 */
export async function startExplainer(host: string, port = 0): Promise<Explainer> {
  const server = createServer({ settings: { initialWindowSize: 1 << 20 } });
  const sessions = new Set<{ close(): void; destroy(): void }>();
  server.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
  });
  // A caller that goes away in the middle is no trouble of ours.
  server.on("sessionError", () => undefined);
  server.on("stream", explain);
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => reject(listenError(`${host}:${port}`, cause)));
    server.listen(port, host, resolve);
  });
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new TypeError("a TCP server has a port");
  return {
    address: `${host.includes(":") ? `[${host}]` : host}:${bound.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const session of sessions) session.destroy();
      }),
  };
}

/** Trailers-only, so that no shape of call has to wait; the rest of the request is read and thrown away. */
function explain(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
  stream.on("error", () => undefined);
  stream.resume();
  stream.respond(
    {
      ":status": 200,
      "content-type": "application/grpc",
      "grpc-status": single(headers[EXPLAIN_STATUS]) || "14",
      "grpc-message": single(headers[EXPLAIN_MESSAGE]) || "The mesh does not say why.",
      ...(headers[EXPLAIN_DETAILS] && { "grpc-status-details-bin": single(headers[EXPLAIN_DETAILS]) }),
    },
    { endStream: true },
  );
}

function single(value: string | string[] | undefined): string {
  return (Array.isArray(value) ? value[0] : value) ?? "";
}
