import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import protobuf from "protobufjs";
import { RouseError } from "../../sdk/errors.ts";

const require = createRequire(import.meta.url);
const protos = join(dirname(require.resolve("@grpc/grpc-js-xds/package.json")), "deps");
const folders = ["envoy-api", "xds", "googleapis", "protoc-gen-validate"].map((name) => join(protos, name));

/** Every file whose types appear in a resource, in an `@type`, or on one of the xDS streams. */
const files = [
  "envoy/service/discovery/v3/ads.proto",
  "envoy/service/load_stats/v3/lrs.proto",
  "envoy/config/listener/v3/listener.proto",
  "envoy/config/route/v3/route.proto",
  "envoy/config/cluster/v3/cluster.proto",
  "envoy/config/endpoint/v3/endpoint.proto",
  "envoy/config/trace/v3/opentelemetry.proto",
  "envoy/extensions/common/matching/v3/extension_matcher.proto",
  "envoy/extensions/filters/common/matcher/action/v3/skip_action.proto",
  "envoy/extensions/filters/http/cors/v3/cors.proto",
  "envoy/extensions/filters/http/grpc_json_transcoder/v3/transcoder.proto",
  "envoy/extensions/filters/http/grpc_web/v3/grpc_web.proto",
  "envoy/extensions/filters/http/header_mutation/v3/header_mutation.proto",
  "envoy/extensions/filters/http/on_demand/v3/on_demand.proto",
  "envoy/extensions/filters/http/router/v3/router.proto",
  "envoy/extensions/filters/http/set_filter_state/v3/set_filter_state.proto",
  "envoy/extensions/filters/http/upstream_codec/v3/upstream_codec.proto",
  "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto",
  "envoy/extensions/load_balancing_policies/round_robin/v3/round_robin.proto",
  "envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation.proto",
  "envoy/extensions/request_id/uuid/v3/uuid.proto",
  "envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.proto",
  "envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config.proto",
  "envoy/extensions/upstreams/http/v3/http_protocol_options.proto",
  "envoy/type/matcher/v3/http_inputs.proto",
];

/** Messages of Envoy 1.40 (and some fields, below) that are newer than the package's files. */
const newer = `
  syntax = "proto3";
  package envoy.extensions.tracers.opentelemetry.samplers.v3;
  message ParentBasedSamplerConfig { .envoy.config.core.v3.TypedExtensionConfig wrapped_sampler = 1; }
  message TraceIdRatioBasedSamplerConfig { .envoy.type.v3.FractionalPercent sampling_percentage = 1; }
  message ForceLocalZone { .google.protobuf.UInt32Value min_size = 1; }
  enum LocalityBasis { HEALTHY_HOSTS_NUM = 0; HEALTHY_HOSTS_WEIGHT = 1; }
`;

function load(): protobuf.Root {
  // Envoy's annotations import descriptor.proto, which protobufjs ships as JSON and knows only when told.
  protobuf.common("descriptor", require("protobufjs/google/protobuf/descriptor.json").nested.google.nested);
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => {
    for (const folder of folders) {
      const path = join(folder, target);
      if (existsSync(path)) return path;
    }
    return target;
  };
  // Field names as in the files and in Envoy's own configuration.
  root.loadSync(files, { keepCase: true });
  protobuf.parse(newer, root, { keepCase: true });
  const manager = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
  root.lookupType(`${manager}.Tracing`).add(new protobuf.Field("operation", 11, "string"));
  const boolValue = ".google.protobuf.BoolValue";
  root
    .lookupType("envoy.config.route.v3.WeightedCluster")
    .add(new protobuf.Field("use_hash_policy", 5, boolValue));
  root
    .lookupType("envoy.extensions.filters.http.set_filter_state.v3.Config")
    .add(new protobuf.Field("clear_route_cache", 2, "bool"));
  const zoneAware = "envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.ZoneAwareLbConfig";
  const here = ".envoy.extensions.tracers.opentelemetry.samplers.v3";
  root
    .lookupType(zoneAware)
    .add(new protobuf.Field("force_local_zone", 5, `${here}.ForceLocalZone`))
    .add(new protobuf.Field("locality_basis", 6, `${here}.LocalityBasis`));
  // Envoy names hundreds with each report of its load, and nobody reads them: 60 kB that are skipped in one step.
  const node = root.lookupType("envoy.config.core.v3.Node");
  const { extensions } = node.fields;
  if (extensions !== undefined) node.remove(extensions);
  return root;
}

let loaded: protobuf.Root | undefined;

/** Envoy's protos, read once per process (about 0.3 s). */
export function envoyProtos(): protobuf.Root {
  loaded ??= load();
  return loaded;
}

const types = new Map<string, protobuf.Type>();

/** @throws RouseError INTERNAL when `root.ts` does not list the file of the type. */
export function messageType(name: string): protobuf.Type {
  const known = types.get(name);
  if (known !== undefined) return known;
  try {
    const type = envoyProtos().lookupType(name);
    types.set(name, type);
    return type;
  } catch (cause) {
    throw new RouseError("INTERNAL", `mesh-config/proto/root.ts lists no file with the message ${name}.`, {
      reason: "ENVOY_TYPE_UNKNOWN",
      cause,
    });
  }
}
