import http from "node:http";
import https from "node:https";
import { RouseError } from "../sdk/errors.ts";

// Node's own HTTP client, not the npm package "consul": that one (last release 2024) aborts by an event emitter rather than
// a signal, drops Consul's words from errors longer than 80 characters, and types every answer as any.

export interface ConsulOptions {
  /** "127.0.0.1:8500", or a URL with http or https. */
  address: string;
  /** ACL token, sent as X-Consul-Token. */
  token?: string;
}

export interface ConsulRequest {
  query?: Readonly<Record<string, string | number | undefined>>;
  body?: string | Uint8Array;
  signal?: AbortSignal;
  /** Longest time without an answer, ms; default 15,000. */
  timeoutMs?: number;
  /** Statuses beside 2xx that the caller understands. */
  accept?: readonly number[];
  /** Ask again when a kept connection turns out closed; default true. False where another Consul must be noticed. */
  repeat?: boolean;
}

export interface ConsulResponse {
  readonly status: number;
  readonly text: string;
  /** X-Consul-Index; 0 when the answer has none. */
  readonly index: number;
}

/**
 * HTTP client of one Consul agent, over connections that stay open.
 *
 * It knows paths and statuses only; keys are in kv.ts, blocking queries in blocking.ts.
 */
export class ConsulClient {
  /** "host:port" as people know it. */
  readonly address: string;
  readonly #base: URL;
  readonly #token: string | undefined;
  readonly #agent: http.Agent;
  readonly #closing = new AbortController();

  /** @throws RouseError INVALID_ARGUMENT when the address is none. */
  constructor(options: ConsulOptions) {
    const text = options.address.includes("://") ? options.address : `http://${options.address}`;
    if (!URL.canParse(text) || !/^https?:/.test(text)) {
      throw new RouseError(
        "INVALID_ARGUMENT",
        `"${options.address}" is no address of Consul. Give host:port, such as 127.0.0.1:8500, or an http(s) URL.`,
        { reason: "CONSUL_ADDRESS_INVALID" },
      );
    }
    this.#base = new URL(text);
    this.address = this.#base.host;
    this.#token = options.token;
    const Agent = this.#base.protocol === "https:" ? https.Agent : http.Agent;
    this.#agent = new Agent({ keepAlive: true, maxFreeSockets: 64 });
  }

  /**
   * Sends one request.
   *
   * @throws RouseError UNAVAILABLE when Consul does not answer or has no leader, PERMISSION_DENIED for its ACL,
   *   RESOURCE_EXHAUSTED for its limits, FAILED_PRECONDITION for anything else that it refuses.
   */
  async request(method: string, path: string, options: ConsulRequest = {}): Promise<ConsulResponse> {
    const url = new URL(path, this.#base);
    for (const [name, value] of Object.entries(options.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const response = await this.#send(method, url, options, options.repeat ?? true);
    if (response.status >= 200 && response.status < 300) return response;
    if (options.accept?.includes(response.status)) return response;
    throw this.#refused(method, url, response);
  }

  /** Ends every open request (they reject with CANCELLED) and every connection. */
  close(): void {
    this.#closing.abort();
    this.#agent.destroy();
  }

  #send(method: string, url: URL, options: ConsulRequest, mayRepeat: boolean): Promise<ConsulResponse> {
    return new Promise((resolve, reject) => {
      const closing = this.#closing.signal;
      const signal = options.signal === undefined ? closing : AbortSignal.any([closing, options.signal]);
      if (signal.aborted) return reject(this.#cancelled(signal));
      const body = typeof options.body === "string" ? Buffer.from(options.body) : options.body;
      const timeoutMs = options.timeoutMs ?? 15_000;
      const transport = url.protocol === "https:" ? https : http;
      const headers: http.OutgoingHttpHeaders = { "content-length": body?.byteLength ?? 0 };
      if (this.#token !== undefined) headers["x-consul-token"] = this.#token;
      const request = transport.request(url, { method, agent: this.#agent, headers });
      const timer = setTimeout(
        () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)),
        timeoutMs,
      );
      const onAbort = () => request.destroy();
      const settle = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
      };
      const fail = (cause: Error) => {
        settle();
        if (signal.aborted) return reject(this.#cancelled(signal));
        // A kept connection that Consul closed in the same moment: the request was never read, so ask again on a new one.
        if (mayRepeat && request.reusedSocket && "code" in cause && cause.code === "ECONNRESET") {
          return resolve(this.#send(method, url, options, false));
        }
        reject(this.#unreachable(cause));
      };
      signal.addEventListener("abort", onAbort, { once: true });
      request.on("error", fail);
      request.on("response", (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
        incoming.on("error", fail);
        incoming.on("end", () => {
          settle();
          const index = Number(incoming.headers["x-consul-index"] ?? 0);
          resolve({
            status: incoming.statusCode ?? 0,
            text: Buffer.concat(chunks).toString("utf8"),
            index: Number.isSafeInteger(index) ? index : 0,
          });
        });
      });
      request.end(body);
    });
  }

  #cancelled(signal: AbortSignal): RouseError {
    return new RouseError("CANCELLED", `The request to Consul at ${this.address} was given up.`, {
      reason: "CONSUL_CANCELLED",
      cause: signal.reason,
    });
  }

  #unreachable(cause: Error): RouseError {
    const why = "code" in cause ? String(cause.code) : cause.message;
    return new RouseError(
      "UNAVAILABLE",
      `Consul does not answer at ${this.address} (${why}). Start it, or name another with --consul.`,
      { reason: "CONSUL_UNREACHABLE", cause },
    );
  }

  #refused(method: string, url: URL, response: ConsulResponse): RouseError {
    const said = response.text.trim().slice(0, 500) || "nothing more";
    const what = `Consul at ${this.address} answered ${response.status} to ${method} ${url.pathname}: ${said}`;
    if (response.status === 403) {
      return new RouseError("PERMISSION_DENIED", `${what}. Give a token that may do this.`, {
        reason: "CONSUL_DENIED",
      });
    }
    if (response.status === 429) {
      return new RouseError(
        "RESOURCE_EXHAUSTED",
        `${what}. Raise limits.http_max_conns_per_client in Consul's configuration.`,
        { reason: "CONSUL_LIMIT" },
      );
    }
    if (response.status >= 500 && /no cluster leader|leadership|not ready|EOF|connection re/i.test(said)) {
      return new RouseError("UNAVAILABLE", `${what}. It passes once that Consul has a leader.`, {
        reason: "CONSUL_NO_LEADER",
      });
    }
    return new RouseError("FAILED_PRECONDITION", what, { reason: "CONSUL_REFUSED" });
  }
}
