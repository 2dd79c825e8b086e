import { isDeepStrictEqual } from "node:util";
import semver from "semver";
import type { VersionManifest } from "../state.ts";
import type { Difference } from "./findings.ts";

type Method = VersionManifest["methods"][number];
type Found = Omit<Difference, "methods"> & { readonly methods?: readonly string[] };

const IDEMPOTENCY = ["unknown", "idempotent", "no_side_effects"] as const;
const APPROVALS = [undefined, "release", "listing", "running"] as const;

/**
 * What callers may notice of a change of the option values, which buf does not look at. Methods that are new or gone are
 * compare-contracts.ts' matter.
 */
export function compareManifests(candidate: VersionManifest, against: VersionManifest): Difference[] {
  const before = new Map(against.methods.map((method) => [method.name, method]));
  const name = candidate.service.slice(candidate.service.lastIndexOf(".") + 1);
  const found = [
    ...serviceRules(candidate, against),
    ...candidate.methods.flatMap((method) => {
      const old = before.get(method.name);
      return old === undefined ? [] : methodRules(`\`${name}.${method.name}\``, method, old);
    }),
  ];
  return found.map((difference) => ({ methods: [], ...difference }));
}

function serviceRules(now: VersionManifest, old: VersionManifest): Found[] {
  const found: Found[] = [];
  const add = (severity: Found["severity"], rule: string, message: string) =>
    found.push({ severity, rule, message });
  if (old.exposure !== now.exposure) {
    if (now.exposure === "internal")
      add("breaking", "MANIFEST_EXPOSURE", "is no longer reached from outside the mesh");
    else add("note", "MANIFEST_EXPOSURE", "is reached by everybody from outside the mesh from now on");
  }
  if (old.sessionKey !== now.sessionKey) {
    if (old.sessionKey === "")
      add(
        "note",
        "MANIFEST_SESSION_KEY",
        `keeps calls with the same header ${now.sessionKey} on one instance`,
      );
    else {
      const instead = now.sessionKey === "" ? "" : `, but those with the same ${now.sessionKey}`;
      const what = `no longer keeps calls with the same header ${old.sessionKey} on one instance${instead}`;
      add("breaking", "MANIFEST_SESSION_KEY", what);
    }
  }
  if (semver.lt(now.version, old.version))
    add("note", "MANIFEST_VERSION", `is an older version than ${old.version}`);
  const lowered = (rule: string, what: string, from: number, to: number, unit = "", after = "") => {
    if (to < from) add("note", rule, `lowers ${what} from ${from}${unit} to ${to}${unit}${after}`);
  };
  lowered("MANIFEST_MAX_INSTANCES", "the most instances", old.maxInstances, now.maxInstances);
  const cold = now.minInstances === 0 ? ": a call may meet a cold start" : "";
  lowered("MANIFEST_MIN_INSTANCES", "the instances that stay", old.minInstances, now.minInstances, "", cold);
  const concurrency = "the calls in progress of an instance";
  lowered("MANIFEST_TARGET_CONCURRENCY", concurrency, old.targetConcurrency, now.targetConcurrency);
  const [oldNeeds, needs] = [old.resources, now.resources];
  lowered("MANIFEST_RESOURCES", "the cores of an instance", oldNeeds.cpu, needs.cpu);
  const memory = [mebi(oldNeeds.memory), mebi(needs.memory)] as const;
  lowered("MANIFEST_RESOURCES", "the memory of an instance", ...memory, " MiB");
  lowered("MANIFEST_RESOURCES", "the GPUs of an instance", oldNeeds.gpu, needs.gpu);
  if (!isDeepStrictEqual(oldNeeds.labels, needs.labels))
    add(
      "note",
      "MANIFEST_LABELS",
      `runs on hosts with ${labels(needs.labels)} instead of ${labels(oldNeeds.labels)}`,
    );
  if (now.startTimeoutMs !== old.startTimeoutMs) {
    const [from, to] = [time(old.startTimeoutMs), time(now.startTimeoutMs)];
    add("note", "MANIFEST_START_TIMEOUT", `holds a first call for up to ${to} instead of ${from}`);
  }
  if (now.idleTimeoutMs !== old.idleTimeoutMs) {
    const idle = (ms: number) => (ms === 0 ? "never" : `after ${time(ms)} without calls`);
    const what = `goes back to nothing ${idle(now.idleTimeoutMs)} instead of ${idle(old.idleTimeoutMs)}`;
    add("note", "MANIFEST_IDLE_TIMEOUT", what);
  }
  if (now.loadBalancing !== old.loadBalancing)
    add(
      "note",
      "MANIFEST_LOAD_BALANCING",
      `balances by ${now.loadBalancing} instead of ${old.loadBalancing}`,
    );
  if (APPROVALS.indexOf(now.approval) < APPROVALS.indexOf(old.approval)) {
    const what = `asks for approval of ${now.approval ?? "nothing"} instead of ${old.approval}`;
    add("note", "MANIFEST_APPROVAL", what);
  }
  return found;
}

function methodRules(name: string, now: Method, old: Method): Found[] {
  const found: Found[] = [];
  const add = (severity: Found["severity"], rule: string, message: string) =>
    found.push({ severity, rule, message, methods: [now.name] });
  // 0 is no deadline at all.
  if (now.deadlineMs !== 0 && (old.deadlineMs === 0 || now.deadlineMs < old.deadlineMs)) {
    const from = old.deadlineMs === 0 ? "being without one" : time(old.deadlineMs);
    add(
      "breaking",
      "MANIFEST_DEADLINE",
      `shortens the deadline of ${name} to ${time(now.deadlineMs)} from ${from}`,
    );
  }
  if (now.mode !== old.mode) {
    const widened = now.mode === "both" && old.mode !== "job";
    const what = `changes the mode of ${name} from ${old.mode} to ${now.mode}`;
    add(widened ? "note" : "breaking", "MANIFEST_MODE", what);
  }
  if (IDEMPOTENCY.indexOf(now.idempotency) < IDEMPOTENCY.indexOf(old.idempotency)) {
    const lost = now.idempotency === "unknown";
    const what = lost
      ? `says no more that ${name} may be repeated, as its callers' clients do`
      : `says no more that ${name} has no side effects`;
    add(lost ? "breaking" : "note", "MANIFEST_IDEMPOTENCY", what);
  }
  return found;
}

function labels(given: Readonly<Record<string, string>>): string {
  const list = Object.entries(given).map(([name, value]) => `${name}=${value}`);
  return list.length === 0 ? "any labels" : `the labels ${list.sort().join(", ")}`;
}

function mebi(bytes: number): number {
  return Number((bytes / 2 ** 20).toFixed(1));
}

function time(ms: number): string {
  if (ms % 60_000 === 0) return `${ms / 60_000} min`;
  return ms % 1_000 === 0 ? `${ms / 1_000} s` : `${ms} ms`;
}
