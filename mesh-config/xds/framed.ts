import type { DeltaResponse } from "../proto/wire.ts";

/** The part of a call in grpc-js that makes what is sent of a message. */
interface Serializer {
  serializeMessage?(response: DeltaResponse): Buffer;
}

/**
 * Has a call send responses that are kept as they are sent (`DeltaResponse.frame`) without a copy. grpc-js copies each message behind its
 * header, and with megabytes for each of hundreds of Envoys V8 collected garbage most of the time. There is no public way around that:
 * where a version of grpc-js does not have what is replaced here, such responses are copied like all others.
 */
export function sendFramesAsTheyAre(call: object): void {
  const { call: inner } = call as { call?: Serializer };
  const copying = inner?.serializeMessage;
  if (inner === undefined || copying === undefined) return;
  inner.serializeMessage = (response) => response.frame ?? copying.call(inner, response);
}
