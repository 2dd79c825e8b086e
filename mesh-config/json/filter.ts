import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { any, encodeJson, type JsonObject } from "../proto/json.ts";
import { filterOn } from "../resources/filters.ts";
import type { MergedDescriptors } from "./merge.ts";

/** Name of the edge's filter that makes gRPC calls of calls in JSON, and of the resource that configures it. */
export const JSON_FILTER = "rouse.json";

const transcoder = "envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder";
const PROTO_DESCRIPTOR_BIN = 4;
/** Longest message in JSON, in either direction; bytes. */
const LARGEST = 16 << 20;

/**
 * The filter as it stands in the listener: its configuration comes as a resource of its own, so that a registration changes no
 * listener, which would drain connections. Until it comes nothing is translated.
 */
export function jsonFilter(): JsonObject {
  return {
    name: JSON_FILTER,
    // The routes of what is no gRPC call turn it on: gRPC calls do without.
    disabled: true,
    config_discovery: {
      config_source: { ads: {}, resource_api_version: "V3" },
      default_config: any(transcoder, { proto_descriptor_bin: "" }),
      apply_default_config_without_warming: true,
      type_urls: [`type.googleapis.com/${transcoder}`],
    },
  };
}

/** Turns the filter on: a route's entry of the configurations by filter. */
export function jsonOn(): JsonObject {
  return { [JSON_FILTER]: filterOn };
}

/** The filter's configuration, an encoded envoy.config.core.v3.TypedExtensionConfig. */
export function jsonFilterConfig({ bytes, services }: MergedDescriptors): Uint8Array {
  const config = encodeJson(transcoder, {
    services,
    // Every method has a rule of its own, so that nothing depends on this Envoy's default.
    auto_mapping: false,
    convert_grpc_status: true,
    case_insensitive_enum_parsing: true,
    url_unescape_spec: "ALL_CHARACTERS_EXCEPT_RESERVED",
    query_param_unescape_plus: true,
    request_validation_options: { reject_unknown_query_parameters: true },
    print_options: { stream_newline_delimited: false },
    max_request_body_size: LARGEST,
    max_response_body_size: LARGEST,
  });
  const value = new BinaryWriter().raw(config).uint32(tag(PROTO_DESCRIPTOR_BIN)).bytes(bytes).finish();
  return new BinaryWriter()
    .uint32(tag(1))
    .string(JSON_FILTER)
    .uint32(tag(2))
    .fork()
    .uint32(tag(1))
    .string(`type.googleapis.com/${transcoder}`)
    .uint32(tag(2))
    .bytes(value)
    .join()
    .finish();
}

function tag(field: number): number {
  return (field << 3) | 2;
}
