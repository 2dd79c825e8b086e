import { createHash } from "node:crypto";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { encodeJson, type JsonObject } from "../proto/json.ts";

/** The kinds of resources, in the order in which changes are sent. An extension is the configuration of a filter. */
export const kinds = ["cluster", "endpoint", "listener", "route", "extension"] as const;
export type Kind = (typeof kinds)[number];

const messages: Record<Kind, string> = {
  listener: "envoy.config.listener.v3.Listener",
  route: "envoy.config.route.v3.RouteConfiguration",
  cluster: "envoy.config.cluster.v3.Cluster",
  endpoint: "envoy.config.endpoint.v3.ClusterLoadAssignment",
  extension: "envoy.config.core.v3.TypedExtensionConfig",
};

export function typeUrl(kind: Kind): string {
  return `type.googleapis.com/${messages[kind]}`;
}

const byUrl = new Map(kinds.map((kind) => [typeUrl(kind), kind]));

export function kindOf(url: string): Kind | undefined {
  return byUrl.get(url);
}

/** A response with more than so much is at its end, bytes. */
export const LARGEST_RESPONSE = 2 << 20;

/** A resource as every stream sends it: encoded once, its content's hash as the version. */
export interface Resource {
  readonly name: string;
  readonly version: string;
  /** envoy.service.discovery.v3.Resource. */
  readonly bytes: Uint8Array;
  /** Number of the first snapshot that had this content. */
  readonly since: number;
}

/** Encodes canonical JSON as a resource; equal content has an equal version on every control plane. */
export function encodeResource(
  kind: Kind,
  name: string,
  json: JsonObject,
  since: number,
  after?: Resource,
): Resource {
  return resourceOfBytes(kind, name, encodeJson(messages[kind], json), since, after);
}

/**
 * @param after What always goes out before it, and after which Envoy needs it anew: it has another version after another one. An Envoy
 * which comes back with this version has then surely got it after that.
 */
export function resourceOfBytes(
  kind: Kind,
  name: string,
  value: Uint8Array,
  since: number,
  after?: Resource,
): Resource {
  const hash = createHash("sha256").update(value);
  if (after !== undefined) hash.update(after.version);
  const version = hash.digest("base64url").slice(0, 16);
  const bytes = new BinaryWriter()
    .uint32(tag(3))
    .string(name)
    .uint32(tag(1))
    .string(version)
    .uint32(tag(2))
    .fork()
    .uint32(tag(1))
    .string(typeUrl(kind))
    .uint32(tag(2))
    .bytes(value)
    .join()
    .finish();
  return { name, version, bytes, since };
}

function tag(field: number): number {
  return (field << 3) | 2;
}
