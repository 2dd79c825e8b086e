import type { handleServerStreamingCall, ServerWritableStream } from "@grpc/grpc-js";
import type { WatchWakesRequest, WatchWakesResponse } from "#proto/rouse/meshconfig/v1/meshconfig.ts";
import type { Wakes } from "./wakes.ts";

type Call = ServerWritableStream<WatchWakesRequest, WatchWakesResponse>;

/** Tells who watches which wakes are under way. A reader that is slow gets the newest, not what it missed. */
export function wakeWatch(wakes: Wakes): {
  serve: handleServerStreamingCall<WatchWakesRequest, WatchWakesResponse>;
  end(): void;
} {
  /** True: it takes no more until it has drained. */
  const calls = new Map<Call, { full: boolean; behind: boolean }>();
  let planned = false;
  const send = (call: Call, message: WatchWakesResponse) => {
    const reader = calls.get(call);
    if (reader === undefined) return;
    reader.behind = reader.full;
    if (!reader.full) reader.full = !call.write(message);
  };
  const unsubscribe = wakes.onChange(() => {
    // After what is under way for the calls that are held: nobody waits for this as they do.
    if (planned || calls.size === 0) return;
    planned = true;
    setImmediate(() => {
      planned = false;
      const message = { underWay: wakes.underWay() };
      for (const call of calls.keys()) send(call, message);
    });
  });
  return {
    serve(call) {
      const reader = { full: false, behind: false };
      calls.set(call, reader);
      const forget = () => calls.delete(call);
      call.on("cancelled", forget).on("close", forget).on("error", forget);
      call.on("drain", () => {
        reader.full = false;
        if (reader.behind) send(call, { underWay: wakes.underWay() });
      });
      send(call, { underWay: wakes.underWay() });
    },
    end() {
      unsubscribe();
      for (const call of calls.keys()) call.end();
      calls.clear();
    },
  };
}
