import type { DescMethod } from "@bufbuild/protobuf";
import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";
import { createBrowserClient, type ResponseMetadata, RouseError } from "rouse/browser";
import { decode, encode } from "./codec.ts";
import type { ReadContract } from "./contract.ts";
import type { Json } from "./json.ts";
import type { MetadataField } from "./share.ts";

/** A call that is about to be made. */
export interface CallPlan {
  readonly contract: ReadContract;
  readonly method: DescMethod;
  readonly request: Json;
  /** Version spec. */
  readonly spec: string;
  /** ms; 0: none. */
  readonly deadlineMs: number;
  readonly metadata: readonly MetadataField[];
  /** Address of the edge; default: the page's own origin. */
  readonly baseUrl?: string;
}

/** One header or trailer, bytes as base64. */
export type HeaderLine = readonly [name: string, value: string];

/** What is told while a call goes on. */
export interface CallEvents {
  onHeader(lines: HeaderLine[]): void;
  onMessage(json: Json): void;
  onTrailer(lines: HeaderLine[]): void;
}

/** A trace that this page begins: the header that a call carries, and the ids in it. */
export interface PageTrace {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceparent: string;
}

/** Ids of a trace that is to be recorded (https://www.w3.org/TR/trace-context/). */
export function newTrace(): PageTrace {
  const hex = (bytes: number) =>
    Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) =>
      byte.toString(16).padStart(2, "0"),
    ).join("");
  const [traceId, spanId] = [hex(16), hex(8)];
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-01` };
}

/**
 * Calls a unary or server-streaming method by gRPC-web; answers are told as they come.
 *
 * @throws RouseError as the server, the edge or the deadline ended the call; CANCELLED when the signal did.
 */
export async function call(
  plan: CallPlan,
  trace: PageTrace,
  events: CallEvents,
  signal: AbortSignal,
): Promise<void> {
  const { contract, method, deadlineMs } = plan;
  const { registry } = contract;
  const service = method.parent.typeName;
  const { methodKind } = method;
  if (methodKind === "client_streaming" || methodKind === "bidi_streaming")
    throw new RouseError("UNIMPLEMENTED", "Browsers cannot send a stream of requests.", {
      reason: "CLIENT_STREAM_IN_BROWSER",
    });
  const responseStream = methodKind === "server_streaming";
  const client = createBrowserClient(
    {
      name: service,
      version: "",
      sessionKey: "",
      methods: {
        call: {
          name: method.name,
          path: `/${service}/${method.name}`,
          requestStream: false as const,
          responseStream,
          encodeRequest: (json: Json) => encode(method.input, json, registry),
          decodeRequest: (bytes: Uint8Array): Json => decode(method.input, bytes, registry),
          encodeResponse: (json: Json) => encode(method.output, json, registry),
          decodeResponse: (bytes: Uint8Array): Json => decode(method.output, bytes, registry),
          idempotent: false,
          deadlineMs: 0,
          mode: "sync",
        },
      },
    },
    plan.baseUrl === undefined ? {} : { baseUrl: plan.baseUrl },
  );
  const answers = client.call(plan.request, {
    signal,
    deadlineMs,
    metadata: { ...metadataOf(plan), traceparent: trace.traceparent },
    onHeader: (header) => events.onHeader(linesOf(header)),
    onTrailer: (trailer) => events.onTrailer(linesOf(trailer)),
  }) as Promise<Json> | AsyncIterable<Json>;
  if (Symbol.asyncIterator in answers) for await (const answer of answers) events.onMessage(answer);
  else events.onMessage(await answers);
}

function metadataOf({ metadata, spec }: CallPlan): Record<string, string | Uint8Array> {
  const fields: Record<string, string | Uint8Array> = {};
  for (const { name, value } of metadata) {
    if (name === "") continue;
    const lower = name.toLowerCase();
    fields[lower] = lower.endsWith("-bin") ? base64Decode(value) : value;
  }
  if (spec !== "") fields["rouse-version"] = spec;
  return fields;
}

function linesOf(metadata: ResponseMetadata): HeaderLine[] {
  return [...metadata].flatMap(([name, values]) =>
    values.map((value) => [name, typeof value === "string" ? value : base64Encode(value)] as const),
  );
}
