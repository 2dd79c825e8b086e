import http from "node:http";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** Between two tries, ms: these programs have no event for their readiness that would reach us. */
const PAUSE_MS = 20;

/** Resolves when "host:port" accepts a connection. */
export function accepts(address: string): (signal: AbortSignal) => Promise<void> {
  return (signal) => until(signal, () => tryConnect(address));
}

/** Resolves when an HTTP request is answered by 200 and `good` likes the body. */
export function answers(
  url: string,
  options: {
    readonly method?: string;
    readonly body?: string;
    readonly good?: (body: string) => boolean;
  } = {},
): (signal: AbortSignal) => Promise<void> {
  return (signal) =>
    until(signal, async () => {
      const body = await tryRequest(url, options);
      return body !== undefined && (options.good?.(body) ?? true);
    });
}

/** Resolves when `test` says true. @throws the signal's reason when that aborts first. */
export async function until(signal: AbortSignal, test: () => Promise<boolean>): Promise<void> {
  while (!(await test())) {
    signal.throwIfAborted();
    await sleep(PAUSE_MS, undefined, { signal });
  }
}

function tryConnect(address: string): Promise<boolean> {
  const colon = address.lastIndexOf(":");
  return new Promise((resolve) => {
    const socket = connect({ host: address.slice(0, colon), port: Number(address.slice(colon + 1)) });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(2_000, () => end(false));
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
  });
}

/** The body of a 200; undefined for anything else. */
export function tryRequest(
  url: string,
  { method = "GET", body }: { readonly method?: string; readonly body?: string } = {},
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const request = http.request(url, { method, agent: false, timeout: 2_000 }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => resolve(response.statusCode === 200 ? text : undefined));
      response.on("error", () => resolve(undefined));
    });
    request.on("error", () => resolve(undefined));
    request.on("timeout", () => request.destroy());
    request.end(body);
  });
}
