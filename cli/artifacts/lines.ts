import type { Artifact, ArtifactEvent } from "../../sdk/client/index.ts";
import { table } from "../table.ts";

/** "12.3 MiB" */
export function size(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let value = bytes;
  for (; value >= 1_024 && unit < units.length - 1; unit++) value /= 1_024;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** "2026-11-29 22:41:07", in UTC. */
function time(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace("T", " ");
}

/** A line for each artifact. */
export function artifactLines(artifacts: readonly Artifact[]): string {
  const rows = artifacts.map((artifact) => [
    time(artifact.createdAtMs),
    size(artifact.bytes),
    artifact.name,
    artifact.owner,
    artifact.uri.split("?")[0] ?? "",
    pairs(artifact.metadata),
  ]);
  return table(["STORED", "SIZE", "NAME", "BY", "ARTIFACT", ""], rows).join("\n");
}

/** All that is known of one, and its history. */
export function showLines(artifact: Artifact, history: readonly ArtifactEvent[]): string {
  const { uri, bytes, mediaType, owner, createdAtMs, keepUntilMs, holders, metadata } = artifact;
  const facts: [string, string][] = [
    ["artifact", uri],
    ["size", `${size(bytes)}${bytes < 1_024 ? "" : ` (${bytes} bytes)`}`],
    ...(mediaType === "" ? [] : ([["type", mediaType]] as [string, string][])),
    ["stored", `${time(createdAtMs)} by ${owner}`],
    ["kept", keepUntilMs === 0 ? "for ever" : `until ${time(keepUntilMs)}`],
    ...(holders.length === 0 ? [] : ([["needed by", holders.join(", ")]] as [string, string][])),
    ...Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1)),
  ];
  const width = Math.max(...facts.map(([name]) => name.length));
  return [...facts.map(([name, value]) => `${name.padEnd(width)}  ${value}`), "", historyLines(history)].join(
    "\n",
  );
}

/** A line for each thing that happened. */
export function historyLines(history: readonly ArtifactEvent[]): string {
  return history
    .map(({ atMs, by, what, facts }) => `${time(atMs)}  ${what} by ${by}  ${pairs(facts)}`.trimEnd())
    .join("\n");
}

function pairs(facts: Readonly<Record<string, string>>): string {
  return Object.entries(facts)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${/^[^\s"]+$/.test(value) ? value : JSON.stringify(value)}`)
    .join(" ");
}
