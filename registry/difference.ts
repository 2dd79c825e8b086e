import { isDeepStrictEqual } from "node:util";
import type { CatalogEntry } from "./records.ts";
import type { Registration } from "./registration.ts";
import type { Deployment } from "./state.ts";

type Artifact = Deployment["artifact"];

/** Longest value that a difference shows, in characters. */
const SHOWN = 60;
/** Most differences that are named one by one. */
const NAMED = 8;

/**
 * What differs between the registered version and another content for it, by field; empty when nothing does.
 * The time of registration does not count.
 */
export function differences(entry: CatalogEntry, other: Registration): string[] {
  const { artifact, env, mounts } = entry.deployment;
  const out: string[] = [];
  compare("", comparable(entry.manifest), comparable(other.manifest), out);
  compareArtifacts(artifact, other.deployment.artifact, out);
  compare("env", env, other.deployment.env, out);
  compare("mounts", mounts, other.deployment.mounts, out);
  if (out.length === 0 && entry.descriptorSet.digest !== other.digest) {
    out.push("the descriptor set (messages, comments or options of the contract)");
  }
  return out.length > NAMED ? [...out.slice(0, NAMED), `${out.length - NAMED} more`] : out;
}

function compareArtifacts(there: Artifact, here: Artifact, out: string[]): void {
  if (there.kind === "bundle" && here.kind === "bundle" && there.digest !== here.digest) {
    const [before, now] = [there.digest.slice(0, 12), here.digest.slice(0, 12)];
    out.push(`the bundle (the code, its libraries or its assets; registered: ${before}, now: ${now})`);
  } else compare("artifact", there, here, out);
}

/** Methods by name, so that one that was added does not make all others differ. */
function comparable(manifest: CatalogEntry["manifest"]): object {
  return {
    ...manifest,
    methods: Object.fromEntries(manifest.methods.map((method) => [method.name, method])),
  };
}

function compare(path: string, there: unknown, here: unknown, out: string[]): void {
  if (isDeepStrictEqual(there, here)) return;
  if (!isRecord(there) || !isRecord(here)) {
    out.push(`${path} (registered: ${show(there)}, now: ${show(here)})`);
    return;
  }
  for (const name of new Set([...Object.keys(there), ...Object.keys(here)])) {
    compare(path === "" ? name : `${path}.${name}`, there[name], here[name], out);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  if (value === undefined) return "none";
  const text = JSON.stringify(value);
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}
