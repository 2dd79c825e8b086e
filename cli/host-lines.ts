import type { Host } from "#proto/rouse/catalog/v1/catalog.ts";
import { table } from "./table.ts";

/** Hosts for people, one a line, and below what is out of the ordinary. */
export function hostLines(hosts: readonly Host[]): string[] {
  if (hosts.length === 0) return ['no host: no agent has registered; "rouse up" or "rouse agent" starts one'];
  const rows = hosts.map((host) => [
    host.name,
    stateOf(host),
    host.zone || "-",
    `${round(host.cpuUsed)} of ${round(host.cpu)}`,
    `${mebibytes(host.memoryUsedBytes)} of ${mebibytes(host.memoryBytes)} MiB`,
    host.gpu === 0 ? "-" : String(host.gpu),
    host.costPerHour === 0 ? "-" : String(host.costPerHour),
    String(host.speed),
    host.runtime,
    String(host.instances),
    host.standby === 0 ? "-" : String(host.standby),
    Object.entries(host.labels)
      .map(([name, value]) => `${name}=${value}`)
      .join(" "),
  ]);
  const head = [
    "HOST",
    "STATE",
    "ZONE",
    "CORES",
    "MEMORY",
    "GPU",
    "COST/H",
    "SPEED",
    "RUNTIME",
    "RUNS",
    "STANDBY",
    "LABELS",
  ];
  const notes = hosts.flatMap(noteOf);
  return [...table(head, rows), ...(notes.length === 0 ? [] : ["", ...notes])];
}

/** One word: its mode, or why it can be given nothing. */
export function stateOf({ lostAtMs, reachable, healthy, mode }: Host): string {
  if (lostAtMs > 0) return reachable ? "settling" : "dead";
  if (!reachable) return "silent";
  const word = mode?.mode ?? "active";
  return healthy ? word : word === "active" ? "no agent" : `${word}, no agent`;
}

function noteOf({ name, mode, lostAtMs, reachable, condition, conditionReason, running }: Host): string[] {
  const notes: string[] = [];
  if (condition !== "" && condition !== "healthy")
    notes.push(`${name} is ${condition}${conditionReason === "" ? "" : `: ${conditionReason}`}`);
  if (mode !== undefined && mode.mode !== "active") {
    const left = running.length;
    const leaving =
      mode.deadlineMs === 0
        ? ""
        : left === 0
          ? "; no instance is left"
          : `; ${left === 1 ? "its instance has" : `its ${left} instances have`} until ${time(mode.deadlineMs)}`;
    const words = mode.mode === "maintenance" ? "in maintenance" : mode.mode;
    notes.push(`${name} is ${words} since ${time(mode.atMs)}: ${mode.reason}${leaving}`);
  }
  if (lostAtMs > 0)
    notes.push(
      reachable
        ? `${name} was declared dead at ${time(lostAtMs)}, is back, and stops what was replaced elsewhere`
        : `${name} was declared dead at ${time(lostAtMs)}: its instances are replaced elsewhere`,
    );
  return notes;
}

function time(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}

function round(cores: number): string {
  return String(Number(cores.toFixed(2)));
}

function mebibytes(bytes: number): string {
  return Math.floor(bytes / 2 ** 20).toLocaleString("en");
}
