import { type CallOptions, type Client, Metadata, type StatusObject, status } from "@grpc/grpc-js";
import type { AnyMethodDefinition } from "../../definition.ts";
import { neverSent } from "../../grpc.ts";
import { HOPS_HEADER } from "./key.ts";
import type { Requests } from "./requests.ts";

/** How many instances passed the call on. */
export function hopsOf(metadata: Metadata): number {
  const [value] = metadata.get(HOPS_HEADER);
  const hops = Number(value ?? 0);
  return Number.isInteger(hops) && hops > 0 ? hops : 0;
}

/** How a call that was passed on ended. */
export interface Outcome extends Pick<StatusObject, "code" | "details" | "metadata"> {
  /** The other instance has not seen the call, which may be passed on to somebody else. */
  readonly unseen: boolean;
}

/**
 * Passes a call on to another instance, whatever its shape, byte by byte: headers, messages in both directions, trailers,
 * deadline and cancellation.
 */
export function passOn(
  grpc: Client,
  { path }: AnyMethodDefinition,
  call: {
    readonly metadata: Metadata;
    getDeadline(): Date | number;
    on(event: "cancelled", listener: () => void): unknown;
    sendMetadata(metadata: Metadata): void;
  },
  requests: Requests,
  answers: { message(bytes: Buffer): boolean; drained(): Promise<void>; end(outcome: Outcome): void },
): void {
  const metadata = ofService(call.metadata);
  metadata.set(HOPS_HEADER, String(hopsOf(call.metadata) + 1));
  const deadline = call.getDeadline();
  const options: CallOptions = Number.isFinite(Number(deadline)) ? { deadline } : {};
  let peer: ReturnType<typeof grpc.makeBidiStreamRequest<Buffer, Buffer>>;
  try {
    peer = grpc.makeBidiStreamRequest(path, asItIs, asItIs, metadata, options);
  } catch (thrown) {
    // The mesh has said meanwhile that the instance is gone.
    const { message } = thrown as Error;
    answers.end({ code: status.UNAVAILABLE, details: message, metadata: new Metadata(), unseen: true });
    return;
  }
  let answered = false;
  call.on("cancelled", () => peer.cancel());
  peer.on("metadata", (header: Metadata) => {
    answered = true;
    call.sendMetadata(ofService(header));
  });
  peer.on("data", (bytes: Buffer) => {
    if (answers.message(bytes)) return;
    peer.pause();
    void answers.drained().then(() => peer.resume());
  });
  // A status that is not OK is an error as well; it is told once, by "status", when all messages have been read.
  peer.on("error", () => undefined);
  let outcome: StatusObject | undefined;
  let [read, told] = [false, false];
  const end = () => {
    if (told || outcome === undefined || (outcome.code === status.OK && !read)) return;
    told = true;
    const { code, details, metadata: trailers } = outcome;
    // What the other instance itself says has trailers.
    const unseen = !answered && Object.keys(trailers.getMap()).length === 0 && neverSent(outcome);
    answers.end({ code, details, metadata: trailers, unseen });
  };
  peer.once("end", () => {
    read = true;
    end();
  });
  peer.once("status", (ended: StatusObject) => {
    outcome = ended;
    end();
  });
  requests.sendTo(peer);
}

/** What each hop says anew. */
const ofHop = /^(content-type|date|te|user-agent|connection|grpc-(accept-)?encoding|accept-encoding)$/;

/** The headers that are the service's own. */
function ofService(all: Metadata): Metadata {
  const own = all.clone();
  for (const name of Object.keys(all.getMap())) if (ofHop.test(name)) own.remove(name);
  return own;
}

function asItIs(bytes: Buffer): Buffer {
  return bytes;
}
