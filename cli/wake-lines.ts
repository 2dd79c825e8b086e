import type { Wake } from "#proto/rouse/meshconfig/v1/meshconfig.ts";

/** Each stage of a wake ends at one of its times. */
const STAGES = [
  ["placed", "a host was chosen", "placedMs"],
  ["created", "bundle or container at hand", "createdMs"],
  ["started", "process runs", "startedMs"],
  ["ready", "health says SERVING", "readyMs"],
  ["pushed", "cluster sent to Envoy", "pushedMs"],
  ["released", "Envoy lets the calls go", "releasedMs"],
] as const;

/** Width of the bars, characters. */
const WIDTH = 40;

/** Draws one wake as a span tree: a line per stage with its milliseconds and where they lie in the whole. */
export function wakeLines(wake: Wake): string[] {
  const reached = STAGES.filter(([, , key]) => wake[key] > 0);
  const end = Math.max(wake.heldMs, ...reached.map(([, , key]) => wake[key]));
  const total = end - wake.heldMs;
  const head = [
    `${wake.service} ${wake.version} #${wake.generation}`,
    ...(wake.host === "" ? [] : [`on ${wake.host}`]),
    new Date(wake.heldMs).toISOString(),
    `trace ${wake.traceId}`,
  ].join(" · ");
  let before = wake.heldMs;
  const lines = reached.map(([name, what, key], index) => {
    const took = Math.max(0, wake[key] - before);
    const bar = drawBar((before - wake.heldMs) / (total || 1), took / (total || 1));
    before = Math.max(before, wake[key]);
    const branch = index === reached.length - 1 && wake.error === "" ? "└─" : "├─";
    return `${branch} ${name.padEnd(9)}${took.toFixed(1).padStart(9)} ms  ${bar}  ${what}`;
  });
  const state = wake.error !== "" ? "failed" : wake.releasedMs > 0 ? "held calls" : "under way:";
  return [
    head,
    `${state} ${total.toFixed(1)} ms`,
    ...lines,
    ...(wake.error === "" ? [] : [`└─ failed: ${wake.error}`]),
  ];
}

/** @param offset and @param share of the whole, 0 to 1. */
function drawBar(offset: number, share: number): string {
  const from = Math.min(Math.floor(offset * WIDTH), WIDTH - 1);
  const length = Math.min(Math.max(1, Math.round(share * WIDTH)), WIDTH - from);
  return `${"·".repeat(from)}${"█".repeat(length)}${"·".repeat(WIDTH - from - length)}`;
}
