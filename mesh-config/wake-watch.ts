import type { handleServerStreamingCall, ServerWritableStream } from "@grpc/grpc-js";
import type { WatchWakesRequest, WatchWakesResponse } from "#proto/rouse/meshconfig/v1/meshconfig.ts";
import type { Peers } from "./peers.ts";
import type { Wakes } from "./wakes.ts";

type Call = ServerWritableStream<WatchWakesRequest, WatchWakesResponse>;

/**
 * Tells who watches which wakes are under way. A reader that is slow gets the newest, not what it missed.
 *
 * @param peers Other control planes, whose wakes are told as well to who does not ask for this one's only.
 */
export function wakeWatch(
  wakes: Wakes,
  peers?: Peers,
): {
  serve: handleServerStreamingCall<WatchWakesRequest, WatchWakesResponse>;
  end(): void;
} {
  /** True: it takes no more until it has drained. */
  const calls = new Map<Call, { full: boolean; behind: boolean }>();
  let planned = false;
  let others: ReturnType<Peers["watch"]> | undefined;
  const messageFor = (call: Call): WatchWakesResponse => ({
    underWay: [...wakes.underWay(), ...(call.request.own === true ? [] : (others?.underWay() ?? []))],
  });
  const send = (call: Call, message = messageFor(call)) => {
    const reader = calls.get(call);
    if (reader === undefined) return;
    reader.behind = reader.full;
    if (!reader.full) reader.full = !call.write(message);
  };
  const changed = () => {
    // After what is under way for the calls that are held: nobody waits for this as they do.
    if (planned || calls.size === 0) return;
    planned = true;
    setImmediate(() => {
      planned = false;
      for (const call of calls.keys()) send(call);
    });
  };
  const unsubscribe = wakes.onChange(changed);
  const forget = (call: Call) => {
    calls.delete(call);
    if ([...calls.keys()].some(({ request }) => request.own !== true)) return;
    others?.close();
    others = undefined;
  };
  return {
    serve(call) {
      const reader = { full: false, behind: false };
      calls.set(call, reader);
      const leave = () => forget(call);
      call.on("cancelled", leave).on("close", leave).on("error", leave);
      if (call.request.own !== true) others ??= peers?.watch(changed);
      call.on("drain", () => {
        reader.full = false;
        if (reader.behind) send(call);
      });
      send(call);
    },
    end() {
      unsubscribe();
      others?.close();
      for (const call of calls.keys()) call.end();
      calls.clear();
    },
  };
}
