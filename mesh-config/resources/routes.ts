import { barredError } from "../../registry/approval.ts";
import type { ServiceState, VersionState, WeightedVersion } from "../../registry/state.ts";
import { clusterName } from "../../registry/target.ts";
import type { RouseError } from "../../sdk/errors.ts";
import { any, type JsonObject } from "../proto/json.ts";
import { answer } from "./answer.ts";
import { emptyTag, noDefault, stopped, unknownVersion } from "./reasons.ts";
import { byPriority, repeatable, unanswered, unheard } from "./retries.ts";
import { highestStable, type SpecPatterns, specPatterns } from "./specs.ts";

const VERSION_HEADER = "rouse-version";
const routeType = "envoy.config.route.v3.Route";

/**
 * How calls of one service find their version: a node of the route table's match tree. An exact version or a tag is one
 * hash lookup; ranges are regular expressions, one per version; without the header it is the tag `release`, or else the
 * highest stable version.
 */
export function serviceRoutes(service: string, state: ServiceState): JsonObject {
  const versions = new Map([...state.versions].sort(([a], [b]) => (a < b ? -1 : 1)));
  const leaves = new Leaves(service);
  const ranges = rangesOf(service, state);
  const exact: Record<string, JsonObject> = {};
  for (const [tag, weights] of [...state.tags].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const members = membersOf(weights, versions);
    exact[tag] = members.length === 0 ? answerWith(emptyTag(service, tag, state)) : leaves.weighted(members);
  }
  for (const [version, found] of versions) exact[version] = leaves.of(found);
  return {
    matcher_tree: {
      input: versionInput,
      exact_match_map: { map: exact },
    },
    on_no_match: {
      matcher: rangeMatcher(ranges, versions, leaves, defaultRoute(service, state, versions, leaves)),
    },
  };
}

/** Whether two states of a service surely have the same routes: instances do not stand in them. */
export function sameRoutes(a: ServiceState, b: ServiceState): boolean {
  if (a.tags !== b.tags || a.versions.size !== b.versions.size) return false;
  for (const [name, one] of a.versions) {
    const other = b.versions.get(name);
    if (other === one) continue;
    const same =
      other?.manifest === one.manifest &&
      other.activation === one.activation &&
      other.approval === one.approval &&
      other.barred === one.barred;
    if (!same) return false;
  }
  return true;
}

function defaultRoute(
  service: string,
  state: ServiceState,
  versions: ReadonlyMap<string, VersionState>,
  leaves: Leaves,
): JsonObject {
  const release = state.tags.get("release");
  if (release !== undefined) {
    const members = membersOf(release, versions);
    if (members.length > 0) return leaves.weighted(members);
    return answerWith(emptyTag(service, "release", state));
  }
  const newest = versions.get(
    highestStable(running(versions).keys()) ?? highestStable(versions.keys()) ?? "",
  );
  return newest === undefined ? answerWith(noDefault(service, state)) : leaves.of(newest);
}

/** The versions that a tag names: without those which may not run, where there are others. */
export function membersOf(
  weights: readonly WeightedVersion[],
  versions: ReadonlyMap<string, VersionState>,
): readonly Member[] {
  const members = weights.flatMap(({ version, weight }) => {
    const found = versions.get(version);
    return found === undefined || weight <= 0 ? [] : [{ version: found, weight }];
  });
  const mayRun = members.filter(({ version }) => version.barred !== true);
  return mayRun.length > 0 ? mayRun : members.slice(0, 1);
}

/** Ranges and defaults pass over what may not run. */
function running(versions: ReadonlyMap<string, VersionState>): ReadonlyMap<string, VersionState> {
  return new Map([...versions].filter(([, { barred }]) => barred !== true));
}

/** Which ranges a service's versions answer to, and what a call hears that asks for none of them. */
interface Ranges {
  readonly service: string;
  readonly tags: string;
  readonly patterns: readonly SpecPatterns[];
  readonly unknown: JsonObject;
}

/** By the versions, which are the same object as long as none of them changed: a tag that moves is most of what changes else. */
const knownRanges = new WeakMap<ServiceState["versions"], Ranges>();

function rangesOf(service: string, state: ServiceState): Ranges {
  const tags = [...state.tags.keys()].sort().join();
  const known = knownRanges.get(state.versions);
  if (known?.service === service && known.tags === tags) return known;
  const patterns = specPatterns([...running(state.versions).keys()]);
  const made = { service, tags, patterns, unknown: answerWith(unknownVersion(service, state)) };
  knownRanges.set(state.versions, made);
  return made;
}

function rangeMatcher(
  { patterns: specs, unknown }: Ranges,
  versions: ReadonlyMap<string, VersionState>,
  leaves: Leaves,
  withoutHeader: JsonObject,
): JsonObject {
  const matchers: JsonObject[] = [];
  for (const { version, patterns } of specs) {
    const found = versions.get(version);
    if (found !== undefined) {
      const on_match = leaves.of(found);
      matchers.push({ predicate: headerMatches(patterns.join("|")), on_match });
    }
  }
  const ranges =
    matchers.length === 0 ? unknown : { matcher: { matcher_list: { matchers }, on_no_match: unknown } };
  // Most calls come without the header: they pass one expression, not one for each range.
  return {
    matcher_list: { matchers: [{ predicate: headerMatches(".+"), on_match: ranges }] },
    on_no_match: withoutHeader,
  };
}

function headerMatches(regex: string, input = versionInput): JsonObject {
  return {
    single_predicate: {
      input,
      value_match: { safe_regex: { google_re2: {}, regex } },
    },
  };
}

export function headerInput(name: string): JsonObject {
  return {
    name: "header",
    typed_config: any("envoy.type.matcher.v3.HttpRequestHeaderMatchInput", { header_name: name }),
  };
}

const versionInput = headerInput(VERSION_HEADER);
const pathInput = headerInput(":path");

/** A leaf of the match tree. */
export function action(fields: JsonObject): JsonObject {
  return { action: { name: "route", typed_config: any(routeType, { match: { prefix: "/" }, ...fields }) } };
}

export function answerWith(error: RouseError): JsonObject {
  return action(answer(error));
}

type Leaf = Pick<VersionState, "activation" | "approval" | "barred"> & {
  readonly service: string;
  readonly json: JsonObject;
};

/** By a version's manifest: its leaf, and what it was made of beside the manifest. */
const knownLeaves = new WeakMap<VersionState["manifest"], Leaf>();

/**
 * The leaves of a service's tree. A version stands in it once for each way to name it, always as the same object, and in the next tree
 * again if nothing of it changed, so that it is encoded once (encodeJson).
 */
class Leaves {
  readonly #service: string;

  constructor(service: string) {
    this.#service = service;
  }

  of(version: VersionState): JsonObject {
    const { manifest, activation, approval, barred } = version;
    const service = this.#service;
    const known = knownLeaves.get(manifest);
    const same = known?.service === service && known.activation === activation;
    if (same && known.approval === approval && known.barred === barred) return known.json;
    const json = versionLeaf(service, version);
    const made = { service, activation, json, ...(approval && { approval }), ...(barred && { barred }) };
    knownLeaves.set(manifest, made);
    return json;
  }

  weighted(members: readonly Member[]): JsonObject {
    const [only] = members;
    if (members.length === 1 && only !== undefined) return this.of(only.version);
    return weightedLeaf(this.#service, members);
  }
}

function versionLeaf(service: string, { manifest, activation, approval, barred }: VersionState): JsonObject {
  if (barred === true) return answerWith(barredError(service, manifest.version, approval));
  if (activation.stopped !== undefined) {
    return answerWith(stopped(service, manifest.version, activation.stopped.reason));
  }
  const cluster = clusterName({ service, version: manifest.version, generation: activation.generation });
  return calls({ cluster, ...routeOptions(manifest.sessionKey) }, [manifest]);
}

export interface Member {
  readonly version: VersionState;
  readonly weight: number;
}

function weightedLeaf(service: string, members: readonly Member[]): JsonObject {
  const keys = new Set(members.map(({ version }) => version.manifest.sessionKey));
  const [key = ""] = keys;
  const sessionKey = keys.size === 1 ? key : "";
  const weighted_clusters = {
    clusters: members.map(({ version: { manifest, activation }, weight }) => ({
      name: clusterName({ service, version: manifest.version, generation: activation.generation }),
      weight,
    })),
    // A session stays with one version.
    ...(sessionKey !== "" && { use_hash_policy: true }),
  };
  const manifests = members.map(({ version }) => version.manifest);
  return calls({ weighted_clusters, ...routeOptions(sessionKey) }, manifests);
}

function routeOptions(sessionKey: string): JsonObject {
  return {
    // No limit but the caller's own deadline, which callers and instances keep: in Envoy, too, it would be a timer for each call.
    timeout: "0s",
    ...(sessionKey !== "" && { hash_policy: [{ header: { header_name: sessionKey } }] }),
  };
}

/** A leaf that sends calls to versions. Where some of the methods may be called a second time, their paths have a route of their own. */
function calls(route: JsonObject, versions: readonly VersionState["manifest"][]): JsonObject {
  const may = repeatable(versions);
  const ranked = versions.some(({ loadBalancing }) => loadBalancing === "none");
  // By the policy of the virtual host, which does without priorities.
  const again = action({ route: ranked ? { ...route, retry_policy: byPriority(unanswered) } : route });
  if (may === "all") return again;
  const once = action({ route: { ...route, retry_policy: ranked ? byPriority(unheard) : unheard } });
  if (may === "none") return once;
  const matchers = [{ predicate: headerMatches(may.paths, pathInput), on_match: again }];
  return { matcher: { matcher_list: { matchers }, on_no_match: once } };
}
