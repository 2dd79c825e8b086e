import type { ResourcesUsed } from "../../gen/rouse/orders/v1/orders.ts";
import { bytes, duration } from "../format.ts";

/** What was used, in words: only what is known. */
export function usedText(used: ResourcesUsed | undefined): string {
  if (used === undefined) return "";
  const { wallMs, cpuMs, memoryPeakBytes, readBytes, writtenBytes, cost } = used;
  return [
    ...(wallMs > 0n ? [duration(wallMs)] : []),
    ...(cpuMs > 0n ? [`${duration(cpuMs)} of a core`] : []),
    ...(memoryPeakBytes > 0n ? [`${bytes(memoryPeakBytes)} of memory`] : []),
    ...(readBytes > 0n ? [`${bytes(readBytes)} read`] : []),
    ...(writtenBytes > 0n ? [`${bytes(writtenBytes)} written`] : []),
    ...(cost > 0 ? [`cost ${costText(cost)}`] : []),
  ].join(" · ");
}

/** Three digits that count: jobs may cost very little. */
export function costText(cost: number): string {
  return cost === 0 ? "0" : Number(cost.toPrecision(3)).toLocaleString("en", { maximumFractionDigits: 12 });
}
