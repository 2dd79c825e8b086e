import type { VersionState } from "../../registry/state.ts";
import type { Needs } from "./needs.ts";

/** What an instance of a version asks of placement. */
export function versionNeeds({ manifest, deployment }: VersionState): Needs {
  return {
    ...manifest.resources,
    service: manifest.service,
    version: manifest.version,
    image: deployment.artifact.kind === "image",
    ...(manifest.placement === undefined ? {} : { rules: manifest.placement }),
  };
}
