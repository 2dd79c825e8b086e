import type {
  CallOptions,
  Client,
  ClientDuplexStream,
  Metadata,
  ServerDuplexStream,
  StatusObject,
} from "@grpc/grpc-js";
import type { AnyMethodDefinition } from "../../definition.ts";
import { HOPS_HEADER } from "./key.ts";

/** How many instances passed the call on. */
export function hopsOf(metadata: Metadata): number {
  const [value] = metadata.get(HOPS_HEADER);
  const hops = Number(value ?? 0);
  return Number.isInteger(hops) && hops > 0 ? hops : 0;
}

/** How a call that was passed on ended. */
export type Outcome = Pick<StatusObject, "code" | "details" | "metadata">;

/**
 * Passes a call on to another instance, whatever its shape, byte by byte: headers, messages in both directions, trailers,
 * deadline and cancellation.
 *
 * @param requests What the caller sends: one message, or its stream.
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
  requests: Buffer | ServerDuplexStream<Buffer, Buffer>,
  answers: { message(bytes: Buffer): boolean; drained(): Promise<void>; end(outcome: Outcome): void },
): void {
  const metadata = ofService(call.metadata);
  metadata.set(HOPS_HEADER, String(hopsOf(call.metadata) + 1));
  const deadline = call.getDeadline();
  const options: CallOptions = Number.isFinite(Number(deadline)) ? { deadline } : {};
  const peer = grpc.makeBidiStreamRequest<Buffer, Buffer>(path, asItIs, asItIs, metadata, options);
  call.on("cancelled", () => peer.cancel());
  peer.on("metadata", (header: Metadata) => call.sendMetadata(ofService(header)));
  peer.on("data", (bytes: Buffer) => {
    if (answers.message(bytes)) return;
    peer.pause();
    void answers.drained().then(() => peer.resume());
  });
  // A status that is not OK is an error as well; it is told once, by "status", when all messages have been read.
  peer.on("error", () => undefined);
  let status: Outcome | undefined;
  let read = false;
  const end = () => {
    if (status !== undefined && (read || status.code !== 0)) answers.end(status);
  };
  peer.once("end", () => {
    read = true;
    end();
  });
  peer.once("status", (outcome: StatusObject) => {
    status = outcome;
    end();
  });
  if (Buffer.isBuffer(requests)) peer.end(requests);
  else send(requests, peer);
}

/** What each hop says anew. */
const ofHop = /^(content-type|date|te|user-agent|connection|grpc-(accept-)?encoding|accept-encoding)$/;

/** The headers that are the service's own. */
function ofService(all: Metadata): Metadata {
  const own = all.clone();
  for (const name of Object.keys(all.getMap())) if (ofHop.test(name)) own.remove(name);
  return own;
}

function send(requests: ServerDuplexStream<Buffer, Buffer>, peer: ClientDuplexStream<Buffer, Buffer>): void {
  requests.on("data", (bytes: Buffer) => {
    if (peer.write(bytes)) return;
    requests.pause();
    peer.once("drain", () => requests.resume());
  });
  requests.once("end", () => peer.end());
}

function asItIs(bytes: Buffer): Buffer {
  return bytes;
}
