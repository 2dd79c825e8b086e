import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { envoyBootstrap } from "../../mesh-config/bootstrap.ts";
import { controlPlaneFileOf } from "../../mesh-config/control-plane-file.ts";
import { OUTLIER_LOG_ARGUMENTS, outlierLogOf } from "../../mesh-config/outlier-log.ts";
import { findTool } from "../../setup/tools.ts";
import type { Mesh } from "../connect.ts";
import type { ChildSpec } from "./child.ts";
import { accepts, answers } from "./ready.ts";

/** The host's Envoy, which gets everything but its bootstrap from the control plane. */
export function envoyChild(
  mesh: Mesh,
  host: { readonly name: string; readonly zone: string; readonly edge: string },
): ChildSpec {
  const bootstrap = join(mesh.data, "run", "envoy.json");
  const config = envoyBootstrap({
    nodeId: `envoy-${host.name}`,
    controlPlane: { file: controlPlaneFileOf(mesh.data) },
    listeners: { edge: host.edge, mesh: mesh.mesh, meshSocket: mesh.meshSocket },
    zone: host.zone,
    ...outlierLog(mesh.data),
    admin: mesh.envoyAdmin,
    collector: mesh.registry,
  });
  writeFileSync(bootstrap, JSON.stringify(config, null, 2));
  const serves = answers(`http://${mesh.envoyAdmin}/ready`);
  const edgeAccepts = accepts(mesh.edge);
  const meshAccepts = accepts(mesh.mesh);
  return {
    name: "envoy",
    file: findTool("envoy"),
    // Hot restart wants shared memory by a number that two meshes of one machine would share.
    args: [
      ...["--config-path", bootstrap, "--disable-hot-restart", "--log-level", "warning"],
      ...OUTLIER_LOG_ARGUMENTS,
    ],
    ours: false,
    graceMs: 3_000,
    ready: async (signal) => {
      await serves(signal);
      await Promise.all([edgeAccepts(signal), meshAccepts(signal)]);
    },
  };
}

/** A new one at each start of the mesh. Envoy does not start where it cannot open the file: it goes without then. */
function outlierLog(data: string): { outlierLog?: string } {
  const file = outlierLogOf(data);
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, "");
    return { outlierLog: file };
  } catch {
    return {};
  }
}
