import type { Manifest } from "../../registry/manifest.ts";
import { DEFAULT_SCALING, type Scaling } from "../../registry/scaling.ts";
import { formatDuration } from "./duration.ts";
import type { ServiceMesh } from "./mesh-options.ts";
import type { OptionReader } from "./option-reader.ts";

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
/** Field of the service's option. */
const scaling = 15;

/** Checks how instances follow the load; absent in the manifest where the contract says nothing of it. */
export function readScaling(
  written: ServiceMesh["scaling"],
  reader: OptionReader,
): Pick<Manifest, "scaling"> {
  if (written === undefined) return {};
  const settings: Scaling = {
    highWatermark: reader.share(
      { name: "scaling.high_watermark", path: [scaling, 1], value: written.high_watermark },
      { least: 0.1, most: 1, otherwise: DEFAULT_SCALING.highWatermark },
    ),
    lowWatermark: reader.share(
      { name: "scaling.low_watermark", path: [scaling, 2], value: written.low_watermark },
      { least: 0, most: 0.9, otherwise: DEFAULT_SCALING.lowWatermark },
    ),
    ...readWindows(written, reader),
    scaleDownDelayMs: reader.duration(
      { name: "scaling.scale_down_delay", path: [scaling, 5], text: written.scale_down_delay },
      { least: 0, most: hour, otherwise: DEFAULT_SCALING.scaleDownDelayMs },
    ),
  };
  if (settings.lowWatermark >= settings.highWatermark) {
    const isWritten = reader.isWritten([scaling, 2]);
    const low = isWritten ? settings.lowWatermark : `(${settings.lowWatermark}, its default)`;
    reader.problem(
      isWritten ? [scaling, 2] : [scaling, 1],
      `scaling.low_watermark ${low} is not less than scaling.high_watermark ${settings.highWatermark}: instances would come and go. Lower the one or raise the other.`,
    );
  }
  return { scaling: settings };
}

function readWindows(
  written: NonNullable<ServiceMesh["scaling"]>,
  reader: OptionReader,
): Pick<Scaling, "stableWindowMs" | "panicWindowMs"> {
  const stableWindowMs = reader.duration(
    { name: "scaling.stable_window", path: [scaling, 3], text: written.stable_window },
    { least: 2 * second, most: hour, otherwise: DEFAULT_SCALING.stableWindowMs },
  );
  const panicWindowMs = reader.duration(
    { name: "scaling.panic_window", path: [scaling, 4], text: written.panic_window },
    {
      least: second,
      most: 5 * minute,
      otherwise: Math.min(DEFAULT_SCALING.panicWindowMs, stableWindowMs),
    },
  );
  if (panicWindowMs > stableWindowMs) {
    reader.problem(
      [scaling, 4],
      `scaling.panic_window ${formatDuration(panicWindowMs)} is longer than scaling.stable_window ${formatDuration(stableWindowMs)}. Shorten the one or lengthen the other.`,
    );
  }
  return { stableWindowMs, panicWindowMs };
}
