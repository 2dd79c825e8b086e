import type { Manifest } from "../../registry/manifest.ts";
import { DEFAULT_STANDBY } from "../../registry/standby.ts";
import type { ServiceMesh } from "./mesh-options.ts";
import type { OptionReader } from "./option-reader.ts";

const second = 1_000;
const day = 86_400 * second;
/** Field of the service's option. */
const standby = 16;

/** Checks how idle instances are kept; absent in the manifest where the contract says nothing of it. */
export function readStandby(
  written: ServiceMesh["standby"],
  reader: OptionReader,
): Pick<Manifest, "standby"> {
  if (written === undefined) return {};
  const none = written.instances === 0 && reader.isWritten([standby, 1]);
  return {
    standby: {
      instances: none
        ? 0
        : reader.count(
            { name: "standby.instances", path: [standby, 1], value: written.instances },
            { least: 0, most: 100, otherwise: DEFAULT_STANDBY.instances },
          ),
      keepMs: reader.duration(
        { name: "standby.keep", path: [standby, 2], text: written.keep },
        { least: second, most: 7 * day, otherwise: DEFAULT_STANDBY.keepMs },
      ),
    },
  };
}
