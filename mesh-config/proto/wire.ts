import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import type { MethodDefinition } from "@grpc/grpc-js";
import type { Change } from "../xds/subscription.ts";
import { Interned } from "./interned.ts";
import { type Bounds, Repeated, skipElement } from "./repeated.ts";
import { messageType } from "./root.ts";

/** envoy.config.core.v3.Node, as far as it is read here. */
export interface Node {
  readonly id: string;
  /** A google.protobuf.Struct. */
  readonly metadata?: unknown;
  readonly locality?: { readonly zone?: string };
  readonly user_agent_build_version?: {
    readonly version?: { major_number?: number; minor_number?: number; patch?: number };
  };
}

/** envoy.service.discovery.v3.DeltaDiscoveryRequest. */
export interface DeltaRequest {
  readonly node?: Node;
  readonly type_url: string;
  readonly resource_names_subscribe: readonly string[];
  readonly resource_names_unsubscribe: readonly string[];
  readonly initial_resource_versions: ReadonlyMap<string, string>;
  readonly response_nonce: string;
  readonly error_detail?: { readonly message: string };
}

/** envoy.service.discovery.v3.DeltaDiscoveryResponse. */
export interface DeltaResponse extends Change {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly systemVersion: string;
  /** The same as it is sent, where that is kept: with the header of a gRPC message. */
  readonly frame?: Buffer;
}

/** envoy.service.load_stats.v3.LoadStatsRequest, as far as it is read here. */
export interface LoadStatsRequest {
  readonly node?: Node;
  readonly cluster_stats: readonly {
    readonly cluster_name: string;
    readonly upstream_locality_stats: readonly {
      readonly total_requests_in_progress: number;
      readonly total_issued_requests: number;
      readonly upstream_endpoint_stats: readonly {
        readonly address?: {
          readonly socket_address?: { readonly address: string; readonly port_value: number };
          readonly pipe?: { readonly path: string };
        };
        readonly total_requests_in_progress: number;
        readonly total_issued_requests: number;
        readonly total_error_requests: number;
      }[];
    }[];
    readonly load_report_interval?: { readonly seconds: number; readonly nanos: number };
  }[];
}

export interface LoadStatsResponse {
  readonly send_all_clusters: boolean;
  readonly report_endpoint_granularity: boolean;
  readonly load_reporting_interval: { readonly seconds: number; readonly nanos: number };
}

function decoder<T>(name: string): (bytes: Buffer) => T {
  let type: ReturnType<typeof messageType> | undefined;
  return (bytes) => {
    type ??= messageType(name);
    return type.toObject(type.decode(bytes), {
      arrays: true,
      objects: true,
      defaults: false,
      longs: Number,
    }) as T;
  };
}

function encoder<T extends object>(name: string): (value: T) => Buffer {
  return (value) => {
    const type = messageType(name);
    return Buffer.from(type.encode(type.fromObject(value)).finish());
  };
}

const decodeNode = decoder<Node>("envoy.config.core.v3.Node");
const decodeStatus = decoder<{ readonly message?: string }>("google.rpc.Status");

/** Bytes before each message of gRPC. */
const FRAME_HEADER = 5;

const texts = new Interned();

const lists = new Repeated<readonly string[]>(readTexts);
const maps = new Repeated<ReadonlyMap<string, string>>(readEntries);

/** Reads a request in one go: an Envoy that comes back names tens of thousands of resources, and all may come back at once. */
export function decodeDeltaRequest(bytes: Buffer): DeltaRequest {
  const reader = new BinaryReader(bytes);
  let node: Node | undefined;
  let type_url = "";
  let response_nonce = "";
  let error_detail: DeltaRequest["error_detail"];
  const subscribe: Bounds = [];
  const unsubscribe: Bounds = [];
  const versions: Bounds = [];
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    if (field === 1) node = decodeNode(Buffer.from(reader.bytes()));
    else if (field === 2) type_url = reader.string();
    else if (field === 3) skipElement(reader, subscribe);
    else if (field === 4) skipElement(reader, unsubscribe);
    else if (field === 5) skipElement(reader, versions);
    else if (field === 6) response_nonce = reader.string();
    else if (field === 7) error_detail = { message: decodeStatus(Buffer.from(reader.bytes())).message ?? "" };
    else reader.skip(wire);
  }
  return {
    ...(node && { node }),
    type_url,
    resource_names_subscribe: lists.read(bytes, subscribe),
    resource_names_unsubscribe: lists.read(bytes, unsubscribe),
    initial_resource_versions: maps.read(bytes, versions),
    response_nonce,
    ...(error_detail && { error_detail }),
  };
}

function readTexts(bytes: Buffer, bounds: Bounds): string[] {
  const out: string[] = [];
  for (let n = 0; n < bounds.length; n += 2)
    out.push(texts.read(bytes, bounds[n] as number, bounds[n + 1] as number));
  return out;
}

/** Reads the entries of a map of texts. */
function readEntries(bytes: Buffer, bounds: Bounds): Map<string, string> {
  const out = new Map<string, string>();
  const reader = new BinaryReader(bytes);
  for (let n = 0; n < bounds.length; n += 2) {
    reader.pos = bounds[n] as number;
    let key = "";
    let value = "";
    while (reader.pos < (bounds[n + 1] as number)) {
      const [field, wire] = reader.tag();
      if (field === 1) key = readText(reader, bytes);
      else if (field === 2) value = readText(reader, bytes);
      else reader.skip(wire);
    }
    out.set(key, value);
  }
  return out;
}

function readText(reader: BinaryReader, bytes: Buffer): string {
  const end = reader.uint32() + reader.pos;
  const text = texts.read(bytes, reader.pos, end);
  reader.pos = end;
  return text;
}

/** Puts the kept bytes of the resources together: there may be tens of thousands, for hundreds of Envoys, so each is copied once. */
export function encodeDeltaResponse(response: DeltaResponse): Buffer {
  const before = new BinaryWriter()
    .uint32((1 << 3) | 2)
    .string(response.systemVersion)
    .finish();
  const after = new BinaryWriter().uint32((4 << 3) | 2).string(response.typeUrl);
  after.uint32((5 << 3) | 2).string(response.nonce);
  for (const name of response.removed) after.uint32((6 << 3) | 2).string(name);
  const end = after.finish();
  let size = before.length + end.length;
  for (const { bytes } of response.resources) size += 1 + varintSize(bytes.length) + bytes.length;
  const out = Buffer.allocUnsafe(size);
  out.set(before);
  let at = before.length;
  for (const { bytes } of response.resources) {
    out[at++] = (2 << 3) | 2;
    let { length } = bytes;
    for (; length > 127; length >>>= 7) out[at++] = (length & 127) | 128;
    out[at++] = length;
    out.set(bytes, at);
    at += bytes.length;
  }
  out.set(end, at);
  return out;
}

/** The response as a message of gRPC that is not compressed (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). */
export function frameDeltaResponse(response: DeltaResponse): Buffer {
  const message = encodeDeltaResponse(response);
  const header = Buffer.alloc(FRAME_HEADER);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
}

function varintSize(value: number): number {
  let size = 1;
  for (let left = value; left > 127; left >>>= 7) size++;
  return size;
}

const notOurs = () => {
  throw new TypeError("the client's side is Envoy's");
};

/** envoy.service.discovery.v3.AggregatedDiscoveryService, the delta method. */
export const adsService = {
  deltaAggregatedResources: {
    path: "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
    requestStream: true,
    responseStream: true,
    requestSerialize: notOurs,
    requestDeserialize: decodeDeltaRequest,
    responseSerialize: (response) => response.frame?.subarray(FRAME_HEADER) ?? encodeDeltaResponse(response),
    responseDeserialize: notOurs,
  } satisfies MethodDefinition<DeltaRequest, DeltaResponse>,
};

/** envoy.service.load_stats.v3.LoadReportingService. */
export const lrsService = {
  streamLoadStats: {
    path: "/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats",
    requestStream: true,
    responseStream: true,
    requestSerialize: notOurs,
    requestDeserialize: decoder<LoadStatsRequest>("envoy.service.load_stats.v3.LoadStatsRequest"),
    responseSerialize: encoder<LoadStatsResponse>("envoy.service.load_stats.v3.LoadStatsResponse"),
    responseDeserialize: notOurs,
  } satisfies MethodDefinition<LoadStatsRequest, LoadStatsResponse>,
};
