import type { handleServerStreamingCall } from "@grpc/grpc-js";
import type {
  Build,
  BuildsServer,
  ReadBuildLogRequest,
  ReadBuildLogResponse,
} from "#proto/rouse/registry/v1/builds.ts";
import { answer, statusObject } from "../../sdk/answer.ts";
import { RouseError } from "../../sdk/errors.ts";
import type { RegistryContext } from "../context.ts";
import { MOST_KEPT } from "./limits.ts";
import { BuildQueue, type BuildsOptions, hasEnded } from "./queue.ts";
import { parseBuildRequest } from "./request.ts";
import type { BuildRecord } from "./store.ts";

const DEFAULT_LISTED = 50;
/** Lines that are read from disk at once. */
const PAGE_LINES = 500;

/**
 * The service rouse.registry.v1.Builds. Start it when the server listens; close it before the server, so that readers of logs come
 * to their end.
 */
export function buildsService(
  context: RegistryContext,
  options: BuildsOptions = {},
): { server: BuildsServer; start(): void; close(): Promise<void> } {
  const queue = new BuildQueue(context, options);
  const server: BuildsServer = {
    startBuild: answer(async (request, metadata) => {
      const caller = await context.access.identify(metadata);
      return { build: message(await queue.add(parseBuildRequest(request), caller)) };
    }),
    getBuild: answer(async ({ id }) => ({ build: message(queue.store.get(id)) })),
    listBuilds: answer(async ({ service, limit }) => {
      const most = Math.min(limit === 0 ? DEFAULT_LISTED : limit, MOST_KEPT);
      return { builds: queue.store.list(service, most).map(message) };
    }),
    readBuildLog: readBuildLog(queue),
    cancelBuild: answer(async ({ id }, metadata) => {
      await queue.cancel(id, await context.access.identify(metadata));
      return {};
    }),
  };
  return { server, start: () => queue.start(), close: () => queue.close() };
}

function message({ seq: _, tags: __, caller: ___, ...build }: BuildRecord): Build {
  return build;
}

function stopping(id: string): RouseError {
  return new RouseError(
    "UNAVAILABLE",
    `The registry stops. "rouse builds log ${id} --follow" goes on when it is back.`,
    { reason: "SERVER_STOPPING" },
  );
}

function readBuildLog(
  queue: BuildQueue,
): handleServerStreamingCall<ReadBuildLogRequest, ReadBuildLogResponse> {
  return async (call) => {
    const { id, follow } = call.request;
    const gone = new Promise<void>((resolve) => call.on("cancelled", () => resolve()));
    let wake = () => {};
    let changed = Promise.resolve();
    const arm = () => {
      changed = new Promise((resolve) => {
        wake = resolve;
      });
    };
    const unfollow = queue.news.follow(id, () => wake());
    try {
      let read = 0;
      while (!call.cancelled) {
        arm();
        if (queue.closing) throw stopping(id);
        // Its state is looked at first: nothing is written after the end.
        const build = queue.store.get(id);
        const lines = queue.store.lines(build.seq, read, PAGE_LINES);
        read += lines.length;
        for (const line of lines) {
          if (call.write(line) || call.cancelled) continue;
          const drained = new Promise<void>((resolve) => call.once("drain", () => resolve()));
          await Promise.race([drained, gone]);
        }
        if (lines.length === PAGE_LINES) continue;
        if (!follow || hasEnded(build)) break;
        await Promise.race([changed, gone]);
      }
      call.end();
    } catch (thrown) {
      call.emit("error", statusObject(thrown));
    } finally {
      unfollow();
    }
  };
}
