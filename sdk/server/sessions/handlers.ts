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
import type { Place, SessionKeeper } from "./keeper.ts";
import { keyOf } from "./key.ts";
import type { Session } from "./table.ts";

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
    keeper.place(key, hopsOf(call.metadata)).then(
      (place) => go(keeper, key, place, method, call, respond, inner),
      (thrown) => fail(call, respond, RouseError.from(thrown)),
    );
  };
  return handle as unknown as UntypedHandleCall;
}

function go<State>(
  keeper: SessionKeeper<State>,
  key: string,
  place: Place,
  method: AnyMethodDefinition,
  call: AnyCall,
  respond: Respond | undefined,
  inner: Inner,
): void {
  if ("session" in place) within(keeper, place.session, call, respond, inner);
  else if (!call.cancelled) forward(keeper, key, place.peer, method, call, respond);
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

function forward<State>(
  keeper: SessionKeeper<State>,
  key: string,
  peer: { readonly grpc: Parameters<typeof passOn>[0] },
  method: AnyMethodDefinition,
  call: AnyCall,
  respond: Respond | undefined,
): void {
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
      // Gone, or moved: whoever comes next looks for it anew.
      if (outcome.code === status.UNAVAILABLE) keeper.forget(key);
      end(writable, respond, message, outcome);
    },
  };
  passOn(peer.grpc, method, call, method.requestStream ? call : call.request, answers);
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
