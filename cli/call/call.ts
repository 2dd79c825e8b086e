import { fromBinary, toJson } from "@bufbuild/protobuf";
import { Client, type ClientDuplexStream, type Metadata, type StatusObject } from "@grpc/grpc-js";
import { RouseError } from "../../sdk/errors.ts";
import { callError } from "../../sdk/grpc.ts";
import { formatTraceparent, newSpanId, newTraceId } from "../../sdk/tracing/index.ts";
import { type Mesh, withClient } from "../connect.ts";
import { parseHeaders } from "./headers.ts";
import { type CatalogMethod, findMethod } from "./method.ts";
import { encodeRequests, withFields } from "./requests.ts";

export interface CallOptions {
  /** Version spec. */
  readonly version?: string;
  readonly edge?: true;
  readonly mesh?: true;
  /** Fields of the request, "name=value". */
  readonly field: readonly string[];
  /** "name:value". */
  readonly header: readonly string[];
  /** ms. */
  readonly deadline?: number;
  readonly verbose?: true;
}

type Call = ClientDuplexStream<Uint8Array, Uint8Array>;

/**
 * Calls a method through Envoy; prints each response as a line of JSON (proto3 JSON mapping) when it comes.
 *
 * @throws RouseError with the service's status, or as {@link findMethod}, {@link withFields} and {@link encodeRequests}.
 */
export async function callMethod(
  mesh: Mesh,
  name: string,
  json: readonly string[],
  options: CallOptions,
): Promise<void> {
  if (options.edge && options.mesh)
    throw new RouseError("INVALID_ARGUMENT", "--edge and --mesh exclude each other: name one.", {
      reason: "FLAG_INVALID",
    });
  const metadata = parseHeaders(options.header);
  const method = await findMethod(mesh.registry, name, options.version ?? "");
  // What a person calls by hand is traced, whatever share of all calls is.
  if (metadata.get("traceparent").length === 0)
    metadata.set(
      "traceparent",
      formatTraceparent({ traceId: newTraceId(), spanId: newSpanId(), sampled: true }),
    );
  if (options.version !== undefined) metadata.set("rouse-version", options.version);
  const requests = withFields(method, json, options.field);
  const byEdge = options.edge ?? (options.mesh ? false : method.manifest.exposure === "external");
  await withClient(Client, byEdge ? mesh.edge : mesh.mesh, async (client) => {
    const deadline = options.deadline === undefined ? undefined : Date.now() + options.deadline;
    // On the wire all four shapes are alike, so the most general one serves them all.
    const call: Call = client.makeBidiStreamRequest(
      method.path,
      (bytes) => Buffer.from(bytes),
      (bytes) => bytes,
      metadata,
      deadline === undefined ? {} : { deadline },
    );
    const begun = performance.now();
    if (options.verbose) showHead(call, byEdge ? mesh.edge : mesh.mesh, begun);
    const received = receive(call, method, deadline);
    // A request that cannot be encoded is the cause; that the call was cancelled for it is not worth telling.
    await Promise.all([send(call, method, requests), received]);
  });
}

/** A request that cannot be encoded cancels the call. How the call ends is told by receive. */
async function send(call: Call, method: CatalogMethod, json: readonly string[]): Promise<void> {
  const ended = new Promise<true>((resolve) => {
    call.once("close", () => resolve(true));
    call.once("error", () => resolve(true));
  });
  // A service that has answered in full waits for no more lines.
  if (json[0] === "-") void ended.then(() => process.stdin.destroy());
  try {
    for await (const bytes of encodeRequests(method, json)) {
      if (call.write(bytes)) continue;
      const drained = new Promise<false>((resolve) => call.once("drain", () => resolve(false)));
      if (await Promise.race([drained, ended])) return;
    }
    call.end();
  } catch (error) {
    call.cancel();
    throw error;
  }
}

async function receive(
  call: Call,
  { descriptor, types }: CatalogMethod,
  deadline: number | undefined,
): Promise<void> {
  try {
    for await (const bytes of call as AsyncIterable<Uint8Array>) {
      const message = fromBinary(descriptor.output, bytes);
      console.log(JSON.stringify(toJson(descriptor.output, message, { registry: types })));
    }
  } catch (error) {
    throw callError(error, deadline);
  }
}

function showHead(call: Call, target: string, begun: number): void {
  console.error(`> ${call.getPeer() === "unknown" ? target : call.getPeer()}`);
  const show = (metadata: Metadata) => {
    for (const [key, value] of Object.entries(metadata.getMap()))
      console.error(`< ${key}: ${value.toString()}`);
  };
  call.on("metadata", show);
  call.on("status", (status: StatusObject) => {
    show(status.metadata);
    console.error(`< status ${status.code} after ${(performance.now() - begun).toFixed(1)} ms`);
  });
}
