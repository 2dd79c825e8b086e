import { type SharedChannel, shareChannel } from "../client/channel.ts";
import type { EndpointFeed } from "../endpoints/feed.ts";

/*
 * Tells the mesh how many tasks an instance works on: nobody calls it meanwhile, and yet its version is not idle. All workers of the
 * process share one stream, which is there from the first task until the last worker has closed.
 */

const MOST_BYTES = 2 ** 20;

/** Tasks of each worker of this process. */
const workers = new Set<() => number>();
let told: { readonly feed: EndpointFeed; readonly channel: SharedChannel } | undefined;
let opening = false;

function tasks(): number {
  return [...workers].reduce((sum, count) => sum + count(), 0);
}

/** A worker has a task. @param count of the tasks that it has, each time the same function. */
export function worksOnTasks(count: () => number): void {
  workers.add(count);
  const { ROUSE_INSTANCE, ROUSE_MESH, ROUSE_SERVICE, ROUSE_VERSION } = process.env;
  // Without an agent nobody would end it.
  if (!ROUSE_INSTANCE || !ROUSE_MESH || !ROUSE_SERVICE || !ROUSE_VERSION) return;
  if (told !== undefined) told.feed.report();
  else if (!opening) void open(ROUSE_MESH, ROUSE_SERVICE, ROUSE_VERSION);
}

/** A worker has closed. */
export function endsTasks(count: () => number): void {
  workers.delete(count);
  if (workers.size > 0) return;
  told?.feed.close();
  told?.channel.release();
  told = undefined;
}

/** Loaded when there is something to tell: most who submit tasks never work on any. */
async function open(mesh: string, service: string, version: string): Promise<void> {
  opening = true;
  const { EndpointFeed } = await import("../endpoints/feed.ts");
  opening = false;
  if (workers.size === 0) return;
  const channel = shareChannel(mesh, MOST_BYTES);
  const feed = new EndpointFeed({
    grpc: channel.grpc,
    subscribe: { service, version, members: true, zone: "" },
    changed: () => undefined,
    report() {
      const count = tasks();
      // One that was made ahead gets its id later.
      const instanceId = process.env.ROUSE_INSTANCE ?? "";
      const sessions = count === 0 ? undefined : { service, version, instanceId, live: 0, tasks: count };
      return { loads: [], sessions };
    },
  });
  told = { feed, channel };
}
