import { setTimeout as sleep } from "node:timers/promises";
import type { ServerWritableStream } from "@grpc/grpc-js";
import type { LogIntakeServer } from "#proto/rouse/intake/v1/intake.ts";
import type { LogLine, LogsServer, ReadLogsRequest, ReadLogsResponse } from "#proto/rouse/usage/v1/usage.ts";
import { answer, statusObject } from "../../sdk/answer.ts";
import { RouseError } from "../../sdk/errors.ts";
import type { RegistryContext } from "../context.ts";
import { type HostsWatch, watchHosts } from "../hosts.ts";
import { logStore } from "./store.ts";

const DEFAULT_TAIL = 200;
const MOST_TAIL = 10_000;
const LINES_PER_MESSAGE = 500;
/** Lines that wait for a follower who does not read; more are left out, and that is said. */
const MOST_WAITING = 10_000;
/** Lines of different hosts that come within this time are put in order, ms. */
const GATHER_MS = 50;
const LONGEST_TEXT = 1_000;

/** What agents hand over. */
export function logIntake(context: RegistryContext): LogIntakeServer {
  const store = logStore(context);
  return {
    appendLines: answer(async (request) => {
      const { instance, host } = request;
      if (!/^[a-z0-9-]{1,63}$/.test(instance) || host === "")
        throw new RouseError(
          "INVALID_ARGUMENT",
          `Lines need the instance and the host that they are of, not "${instance.slice(0, 64)}" and "${host.slice(0, 64)}".`,
          { reason: "LOG_LINES_OF_WHAT" },
        );
      store.append(request);
      return {};
    }),
    getPositions: answer(async ({ instance }) => store.positions(instance)),
  };
}

/** The service rouse.usage.v1.Logs, and what ends it. */
export function logsService(context: RegistryContext): { server: LogsServer; close(): void } {
  const hosts = watchHosts(context.consul, { log: context.log });
  hosts.ready.catch(() => {});
  const closing = new AbortController();
  return {
    server: { readLogs: (call) => void readLogs(context, hosts, closing.signal, call) },
    close() {
      closing.abort();
      hosts.close();
    },
  };
}

async function readLogs(
  context: RegistryContext,
  hosts: HostsWatch,
  closing: AbortSignal,
  call: ServerWritableStream<ReadLogsRequest, ReadLogsResponse>,
): Promise<void> {
  const gone = new AbortController();
  call.on("cancelled", () => gone.abort());
  const signal = AbortSignal.any([gone.signal, closing]);
  const send = async (lines: readonly LogLine[]) => {
    for (let at = 0; at < lines.length && !signal.aborted; at += LINES_PER_MESSAGE) {
      if (call.write({ lines: lines.slice(at, at + LINES_PER_MESSAGE) })) continue;
      await new Promise<void>((resolve) => {
        call.once("drain", resolve);
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    }
  };
  let stop = () => {};
  try {
    const request = checked(call.request);
    const store = logStore(context);
    const waiting: LogLine[] = [];
    let leftOut = 0;
    let wake = () => {};
    if (request.follow) {
      // In the same turn the past is read: nothing falls in between, and nothing comes twice.
      stop = store.follow(request, (lines) => {
        if (waiting.length + lines.length > MOST_WAITING) leftOut += lines.length;
        else waiting.push(...lines);
        wake();
      });
    }
    const { tail } = request;
    const past = await store.latest(request, tail === 0 ? DEFAULT_TAIL : Math.min(tail, MOST_TAIL), signal);
    await send([...past, ...silentHosts(hosts, request, past)]);
    while (request.follow && !signal.aborted) {
      if (waiting.length === 0 && leftOut === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          signal.addEventListener("abort", () => resolve(), { once: true });
        });
        await sleep(GATHER_MS, undefined, { signal }).catch(() => {});
      }
      const lines = waiting.splice(0).sort((a, b) => a.atMs - b.atMs);
      if (leftOut > 0)
        lines.push(notice("", `${leftOut} lines were left out: they came faster than they were read`));
      leftOut = 0;
      await send(lines);
    }
    call.end();
  } catch (thrown) {
    if (!signal.aborted) call.emit("error", statusObject(thrown));
    else call.end();
  } finally {
    stop();
  }
}

function checked(request: ReadLogsRequest): ReadLogsRequest {
  const { fromMs, toMs, contains } = request;
  const invalid = (message: string) =>
    new RouseError("INVALID_ARGUMENT", message, { reason: "LOG_QUERY_INVALID" });
  if (toMs > 0 && toMs < fromMs)
    throw invalid("The span of time ends before it begins: give from_ms below to_ms.");
  if (contains.length > LONGEST_TEXT)
    throw invalid(`The text to look for has ${contains.length} characters; give at most ${LONGEST_TEXT}.`);
  return request;
}

/** A line for each host that the answer has lines of, or that was asked for, and that is not heard of: it may have written more. */
function silentHosts(hosts: HostsWatch, { host }: ReadLogsRequest, lines: readonly LogLine[]): LogLine[] {
  const named = new Set([...lines.map((line) => line.host), ...(host === "" ? [] : [host])]);
  return [...named]
    .filter((name) => hosts.current().get(name)?.healthy !== true)
    .map((name) =>
      notice(name, `the agent of ${name} is not heard of: its lines end with the last that it handed over`),
    );
}

function notice(host: string, text: string): LogLine {
  return { atMs: Date.now(), service: "", version: "", instance: "", host, stream: "notice", text };
}
