import { isAbsolute, resolve } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { parseLocation } from "../orders/artifacts/content/location.ts";
import type { ArtifactSettings } from "../orders/artifacts/open.ts";
import { parseAgo } from "./flags.ts";

/** Flags of `rouse up` and `rouse orders` on artifacts. */
export interface ArtifactFlags {
  /** An absolute folder, or "s3://…"; default: a folder of orders. */
  readonly artifacts?: string;
  /** ms; 0: for ever. */
  readonly artifactsKeep?: number;
}

/** How long an artifact is kept where nobody says anything, ms. */
const KEEP_MS = 30 * 86_400_000;

export function addArtifactFlags(command: Command): void {
  command
    .option(
      "--artifacts <folder or URL>",
      "where artifacts are kept: a folder, or s3://bucket/prefix?endpoint=https://host:port&region=name (default: in the data folder)",
      parsePlace,
    )
    .option(
      "--artifacts-keep <time>",
      'how long an artifact is kept that nobody needs, such as 90d, or "forever" (default: 30d)',
      parseKeep,
    );
}

export function artifactSettings({ artifacts, artifactsKeep = KEEP_MS }: ArtifactFlags): ArtifactSettings {
  return {
    ...(artifacts === undefined ? {} : { location: artifacts }),
    ...(artifactsKeep === 0 ? {} : { keepMs: artifactsKeep }),
  };
}

/** The same for a process that this one starts. */
export function artifactArguments({ artifacts, artifactsKeep }: ArtifactFlags): string[] {
  return [
    ...(artifacts === undefined ? [] : ["--artifacts", artifacts]),
    ...(artifactsKeep === undefined ? [] : ["--artifacts-keep", formatKeep(artifactsKeep)]),
  ];
}

const UNITS = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "m"],
  [1_000, "s"],
] as const;

/** What {@link parseKeep} reads as so many ms. */
export function formatKeep(ms: number): string {
  if (ms === 0) return "forever";
  const [unit, letter] = UNITS.find(([length]) => ms % length === 0) ?? [1_000, "s"];
  return `${Math.ceil(ms / unit)}${letter}`;
}

/** Parses a span of time, or "forever"; ms, 0: for ever. */
export function parseKeep(text: string): number {
  return text === "forever" ? 0 : parseAgo(text);
}

function parsePlace(text: string): string {
  const place = /^[a-z0-9]+:/i.test(text) || isAbsolute(text) ? text : resolve(text);
  try {
    parseLocation(place);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
  return place;
}
