import { LOAD_BALANCING, type LoadBalancing, SLOW_STARTERS } from "../../registry/balancing.ts";
import type { Manifest } from "../../registry/manifest.ts";
import type { ServiceMesh } from "./mesh-options.ts";
import type { OptionReader } from "./option-reader.ts";

/** Fields of the service's option. */
const loadBalancing = [13];
const balancing = 19;

/** Checks how instances are chosen; what the contract says nothing of is absent in the manifest. */
export function readBalancing(
  mesh: ServiceMesh,
  reader: OptionReader,
): Pick<Manifest, "loadBalancing" | "balancing"> {
  const policy = readPolicy(mesh, reader);
  const { session_key: key } = mesh;
  if (policy === "ring_hash" && key === "")
    reader.problem(
      loadBalancing,
      'load_balancing ring_hash needs a header to hash, and there is no session_key. Add one, such as session_key: "session-id".',
    );
  if (key !== "" && (policy === "client" || policy === "none"))
    reader.problem(
      loadBalancing,
      `load_balancing ${policy} and session_key exclude each other: a session's calls find their instance by its key. Take one of them out.`,
    );
  if (mesh.balancing === undefined) return { loadBalancing: policy };
  const field = { name: "balancing.slow_start", path: [balancing, 1], text: mesh.balancing.slow_start };
  const slowStartMs = reader.duration(field, { least: 1_000, most: 900_000, otherwise: 0 });
  if (slowStartMs > 0 && (!SLOW_STARTERS.includes(policy) || key !== ""))
    reader.problem(
      field.path,
      `balancing.slow_start has no effect with ${key === "" ? `load_balancing ${policy}` : "a session_key"}: new instances get no share there that could grow. Take it out, or balance by round_robin or least_request.`,
    );
  return { loadBalancing: policy, balancing: { slowStartMs } };
}

function readPolicy(mesh: ServiceMesh, reader: OptionReader): LoadBalancing {
  if (mesh.load_balancing === "unspecified") return "round_robin";
  const known = LOAD_BALANCING.find((policy) => policy === mesh.load_balancing);
  if (known !== undefined) return known;
  reader.problem(
    loadBalancing,
    `load_balancing ${mesh.load_balancing} is unknown. Choose a value of rouse/mesh/v1/options.proto.`,
  );
  return "round_robin";
}
