import {
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
  type UntypedHandleCall,
} from "@grpc/grpc-js";
import type { AnyMethodDefinition } from "../../definition.ts";
import { RouseError } from "../../errors.ts";
import { ending } from "../failure.ts";
import { hopsOf, type Outcome, passOn } from "./forward.ts";
import type { SessionKeeper } from "./keeper.ts";
import { keyOf, MOVED_TRAILER } from "./key.ts";
import type { Peer } from "./peers.ts";
import { Requests } from "./requests.ts";
import type { Session } from "./table.ts";

/** A call is passed on again so often at most when it was for instances that had gone. */
const MOST_AGAIN = 3;

/** All shapes of grpc-js's server calls, as far as they are alike. */
type AnyCall = ServerDuplexStream<Buffer, Buffer> & ServerUnaryCall<Buffer, Buffer>;
type Respond = sendUnaryData<Buffer>;
type Inner = (call: AnyCall, respond?: Respond) => void;

/**
 * Wraps a method's handler: a call with a session's key goes to where the session lives, and keeps it alive. Calls without a
 * key, and those of sessions that live here, go straight on.
 */
export function inSession<State>(
  keeper: SessionKeeper<State>,
  header: string,
  method: AnyMethodDefinition,
  handler: UntypedHandleCall,
): UntypedHandleCall {
  const inner = handler as unknown as Inner;
  const handle = (call: AnyCall, respond?: Respond) => {
    const key = keyOf(call.metadata, header);
    if (key === undefined) {
      inner(call, respond);
      return;
    }
    const session = keeper.here(key);
    if (session !== undefined) {
      if (session.guest && hopsOf(call.metadata) === 0) session.guest = false;
      within(keeper, session, call, respond, inner);
      return;
    }
    const requests = new Requests(method.requestStream ? call : call.request);
    void bring({ keeper, key, method, call, respond, inner, requests }, MOST_AGAIN);
  };
  return handle as unknown as UntypedHandleCall;
}

/** A call that has to find its session. */
interface Lost<State> {
  readonly keeper: SessionKeeper<State>;
  readonly key: string;
  readonly method: AnyMethodDefinition;
  readonly call: AnyCall;
  readonly respond: Respond | undefined;
  readonly inner: Inner;
  readonly requests: Requests;
}

/** Brings the call to its session. @param again How often, once more, where it is passed on to somebody who has gone. */
async function bring<State>(lost: Lost<State>, again: number): Promise<void> {
  const { keeper, key, call, respond, inner, requests } = lost;
  try {
    const place = await keeper.place(key, hopsOf(call.metadata));
    if ("peer" in place) {
      if (!call.cancelled) forward(lost, place.peer, again);
      return;
    }
    requests.readHere();
    within(keeper, place.session, call, respond, inner);
  } catch (thrown) {
    fail(call, respond, RouseError.from(thrown));
  }
}

/** Handles the call here; its session lives for as long as the call does, at least. */
function within<State>(
  keeper: SessionKeeper<State>,
  session: Session,
  call: AnyCall,
  respond: Respond | undefined,
  inner: Inner,
): void {
  keeper.table.enter(session);
  let left = false;
  const leave = () => {
    if (left) return;
    left = true;
    keeper.table.leave(session, performance.now());
  };
  // grpc-js emits "cancelled" at the end of every call, the good ones too.
  call.on("cancelled", leave);
  if (call.cancelled) leave();
  inner(call, respond);
}

function forward<State>(lost: Lost<State>, peer: Peer, again: number): void {
  const { keeper, key, method, call, respond, requests } = lost;
  const passed = keeper.passes();
  // It comes at the end of every call.
  call.on("cancelled", passed);
  let message: Buffer | undefined;
  const writable = call as unknown as ServerWritableStream<Buffer, Buffer>;
  const answers = {
    message: (bytes: Buffer) => {
      if (respond === undefined) return writable.write(bytes);
      message = bytes;
      return true;
    },
    drained: () => new Promise<void>((resolve) => void writable.once("drain", resolve)),
    end: (outcome: Outcome) => {
      passed();
      const { code, metadata, unseen } = outcome;
      // Gone, or moved: whoever comes next looks for it anew.
      if (code === status.UNAVAILABLE || metadata.get(MOVED_TRAILER).length > 0) keeper.forget(key);
      if (unseen && again > 0 && requests.whole && !call.cancelled) {
        void bring(lost, again - 1);
        return;
      }
      if (hopsOf(call.metadata) > 0) metadata.set(MOVED_TRAILER, "1");
      else metadata.remove(MOVED_TRAILER);
      end(writable, respond, message, outcome);
    },
  };
  passOn(peer.grpc, method, call, requests, answers);
}

function end(
  writable: ServerWritableStream<Buffer, Buffer>,
  respond: Respond | undefined,
  message: Buffer | undefined,
  { code, details, metadata }: Outcome,
): void {
  if (respond === undefined) {
    if (code === status.OK) writable.end(metadata);
    else writable.emit("error", { code, details, metadata });
  } else if (code === status.OK) respond(null, message ?? Buffer.alloc(0), metadata);
  else respond({ code, details, metadata });
}

function fail(call: AnyCall, respond: Respond | undefined, error: RouseError): void {
  if (respond === undefined) call.emit("error", ending(error, undefined));
  else respond(ending(error, undefined));
}
