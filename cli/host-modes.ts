import type { ClientReadableStream } from "@grpc/grpc-js";
import {
  CatalogClient,
  type Host,
  type HostInstance,
  type WatchHostsResponse,
} from "#proto/rouse/catalog/v1/catalog.ts";
import { OrchestratorClient } from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import { RouseError } from "../sdk/errors.ts";
import { callError, unary } from "../sdk/grpc.ts";
import { readMesh, withClient } from "./connect.ts";
import { awaitJobs } from "./host-jobs.ts";

/** How long instances may take beyond the deadline to be stopped, ms. */
const GRACE_MS = 30_000;

/** Tells the mesh what is wanted of a host. @throws RouseError as SetHostMode. */
export async function setMode(host: string, mode: string, reason: string, deadlineMs = 0): Promise<void> {
  await withClient(OrchestratorClient, readMesh().control, (client) =>
    unary(client, "setHostMode", { host, mode, reason, deadlineMs }),
  );
}

/** All hosts as they are. */
export async function readHosts(registry = readMesh().registry): Promise<readonly Host[]> {
  return withClient(CatalogClient, registry, async (client) => {
    for await (const hosts of watch(client)) return hosts;
    return [];
  });
}

/**
 * Has a host give up its instances and end its jobs, tells each that leaves, and ends when it has none.
 *
 * @param deadlineMs After this time those that are left are stopped though calls are open.
 * @throws RouseError DEADLINE_EXCEEDED HOST_NOT_EMPTY when instances or jobs stay all the same.
 */
export async function emptyHost(
  host: string,
  mode: "draining" | "maintenance",
  reason: string,
  deadlineMs: number,
  say: (line: string) => void,
): Promise<void> {
  const begun = performance.now();
  await setMode(host, mode, reason, deadlineMs);
  const limitMs = deadlineMs + GRACE_MS;
  const over = new AbortController();
  try {
    const until = AbortSignal.any([over.signal, AbortSignal.timeout(limitMs)]);
    const [, jobs] = await Promise.all([
      instancesLeave(host, mode, limitMs, say),
      awaitJobs(host, until, say),
    ]);
    if (jobs.length > 0) throw notEmpty(host, jobs);
  } finally {
    over.abort();
  }
  const seconds = ((performance.now() - begun) / 1_000).toFixed(1);
  say(`${host} is empty after ${seconds} s, and takes nothing until "rouse uncordon ${host}".`);
}

async function instancesLeave(
  host: string,
  mode: string,
  limitMs: number,
  say: (line: string) => void,
): Promise<void> {
  await withClient(CatalogClient, readMesh().registry, async (client) => {
    let before: readonly HostInstance[] | undefined;
    for await (const hosts of watch(client, limitMs)) {
      const shown = hosts.find(({ name }) => name === host);
      // The first answers may be older than the change.
      if (shown?.mode?.mode !== mode && shown !== undefined) continue;
      const running = shown?.running ?? [];
      for (const line of progress(host, before, running)) say(line);
      before = running;
      if (running.length === 0) return;
    }
    throw notEmpty(host, before ?? []);
  });
}

/** What is said of a host that has instances or jobs after the deadline. */
export function notEmpty(host: string, left: readonly { readonly id: string }[]): RouseError {
  const ids = left.map(({ id }) => id).join(", ");
  return new RouseError(
    "DEADLINE_EXCEEDED",
    `Host ${host} still has ${ids} after the deadline. It goes on being drained; "rouse hosts" and "rouse status" say more.`,
    { reason: "HOST_NOT_EMPTY" },
  );
}

/** What has changed on a host, for people. */
export function progress(
  host: string,
  before: readonly HostInstance[] | undefined,
  now: readonly HostInstance[],
): string[] {
  const words = ({ id, service, version }: HostInstance) => `${id} (${service} ${version})`;
  if (before === undefined) {
    const list = now.map((one) => `  ${words(one)}`);
    return now.length === 0 ? [] : [`${host} has ${count(now.length)} to give up:`, ...list];
  }
  const there = new Map(now.map((one) => [one.id, one]));
  const known = new Map(before.map((one) => [one.id, one]));
  const gone = before.filter(({ id }) => !there.has(id));
  const retiring = now.filter(({ id, draining }) => draining && known.get(id)?.draining === false);
  return [
    ...retiring.map((one) => `${words(one)} takes no new calls`),
    ...gone.map((one, at) => `${words(one)} has left; ${count(now.length + gone.length - at - 1)} to go`),
  ];
}

function count(instances: number): string {
  return instances === 1 ? "1 instance" : `${instances} instances`;
}

/** Hosts as they are, then each change; ends after `limitMs`. */
async function* watch(client: CatalogClient, limitMs?: number): AsyncGenerator<readonly Host[]> {
  const stream: ClientReadableStream<WatchHostsResponse> = client.watchHosts({});
  let late = false;
  const timer =
    limitMs === undefined
      ? undefined
      : setTimeout(() => {
          late = true;
          stream.cancel();
        }, limitMs);
  try {
    for await (const { hosts } of stream as AsyncIterable<WatchHostsResponse>) yield hosts;
  } catch (error) {
    if (!late) throw callError(error);
  } finally {
    clearTimeout(timer);
    stream.on("error", () => undefined).cancel();
  }
}
