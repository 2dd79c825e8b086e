import { z } from "zod";
import type { Node } from "../proto/wire.ts";
import type { MeshSettings } from "./settings.ts";

/**
 * Where one Envoy listens, when that differs from the mesh's settings: each host has addresses and a data folder of its own. It
 * stands in the node's metadata of its bootstrap.
 */
export type OwnListeners = Pick<MeshSettings, "edge" | "mesh" | "meshSocket">;

const text = z.object({ stringValue: z.string() }).transform(({ stringValue }) => stringValue);
/** A google.protobuf.Struct as protobufjs has it. */
const metadataSchema = z.object({
  fields: z.object({
    rouse_edge: text,
    rouse_mesh: text,
    rouse_mesh_socket: text.exactOptional(),
  }),
});

/** The node's metadata in a bootstrap. */
export function listenersMetadata({ edge, mesh, meshSocket }: OwnListeners): Record<string, string> {
  return {
    rouse_edge: edge,
    rouse_mesh: mesh,
    ...(meshSocket === undefined ? {} : { rouse_mesh_socket: meshSocket }),
  };
}

/** What a node says of its own listeners; undefined: nothing, so that it has those of the settings. */
export function ownListeners(node: Node): OwnListeners | undefined {
  const parsed = metadataSchema.safeParse(node.metadata);
  if (!parsed.success) return undefined;
  const { rouse_edge: edge, rouse_mesh: mesh, rouse_mesh_socket: meshSocket } = parsed.data.fields;
  return meshSocket === undefined ? { edge, mesh } : { edge, mesh, meshSocket };
}
