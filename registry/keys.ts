// Where things are in Consul. Names and versions hold no slash (manifest.ts), so keys split safely.

export const CATALOG_PREFIX = "rouse/catalog/";
export const TAGS_PREFIX = "rouse/tags/";
export const ACTIVATION_PREFIX = "rouse/activation/";
export const BLOBS_PREFIX = "rouse/blobs/";
export const NAMES_PREFIX = "rouse/names/";
/** Lock of the orchestrator that leads. */
export const ORCHESTRATOR_KEY = "rouse/leader/orchestrator";

/** Control planes that are to run, by id; whether one does, Consul's services say. */
export const CONTROL_SLOTS_PREFIX = "rouse/control-planes/";
export const controlSlotKey = (id: string) => `${CONTROL_SLOTS_PREFIX}${id}`;
/** Lock of the agent that runs a control plane in the place of another. */
export const spareKey = (slot: string) => `rouse/spares/${slot}`;

export const catalogKey = (service: string, version: string) => `${CATALOG_PREFIX}${service}/${version}`;
export const tagsKey = (service: string) => `${TAGS_PREFIX}${service}`;
export const activationKey = (service: string, version: string) =>
  `${ACTIVATION_PREFIX}${service}/${version}`;
/** Folder of a version's descriptor set; by digest, so that writers of different content never mix their parts. */
export const blobFolder = (service: string, version: string, digest: string) =>
  `${BLOBS_PREFIX}${service}/${version}/${digest}/`;
/** One key per service and lower-case name: two services whose names differ only by case cannot both exist. */
export const nameKey = (service: string) => `${NAMES_PREFIX}${service.toLowerCase()}`;

export const ABOUT_PREFIX = "rouse/about/";
/** Description of a version as it is now, with what else the catalog says of it. */
export const aboutKey = (service: string, version: string) => `${ABOUT_PREFIX}${service}/${version}`;
/** Former revisions of that description. */
export const revisionsPrefix = (service: string, version: string) => `rouse/revisions/${service}/${version}/`;
export const HISTORY_PREFIX = "rouse/history/";
export const OWNERS_PREFIX = "rouse/owners/";
/** One key per look of a name (look-alike.ts). */
export const ownerKey = (look: string) => `${OWNERS_PREFIX}${look}`;
export const PROVIDERS_PREFIX = "rouse/providers/";
export const providerKey = (id: string) => `${PROVIDERS_PREFIX}${id}`;
/** One key per look of a provider's id or name. */
export const providerLookKey = (look: string) => `rouse/provider-looks/${look}`;
/** Hashes of providers' keys, by the keys' public part. */
export const KEYS_PREFIX = "rouse/keys/";
export const providerKeyKey = (keyId: string) => `${KEYS_PREFIX}${keyId}`;

/** What is set above the contracts. */
export const TUNING_PREFIX = "rouse/tuning/";
/** Stands where a version would, for what is set for all of them; no version looks so. */
export const ALL_VERSIONS = "*";
export const tuningKey = (service: string, version: string) => `${TUNING_PREFIX}${service}/${version}`;

/** Whether a version that needed approval has it. */
export const APPROVALS_PREFIX = "rouse/approvals/";
export const approvalKey = (service: string, version: string) => `${APPROVALS_PREFIX}${service}/${version}`;
/** Latest moves of a tag, for rollbacks. */
export const tagMovesPrefix = (service: string) => `rouse/tag-moves/${service}/`;
export const tagMovesKey = (service: string, tag: string) => `${tagMovesPrefix(service)}${tag}`;
export const REVIEWS_PREFIX = "rouse/reviews/";
export const reviewsPrefix = (service: string) => `${REVIEWS_PREFIX}${service}/`;
export const reviewKey = (service: string, id: string) => `${reviewsPrefix(service)}${id}`;
/** Id of the review that is open for a move of the tag, or for the version itself ("-"): there is one at most. */
export const openReviewsPrefix = (service: string, version: string) =>
  `rouse/open-reviews/${service}/${version}/`;
export const openReviewKey = (service: string, version: string, tag: string) =>
  `${openReviewsPrefix(service, version)}${tag || "-"}`;
/** Ids of the providers that decide reviews. */
export const REVIEWERS_KEY = "rouse/reviewers";

/** Where the registry and orders were last announced, for hosts that join while these are away (parts.ts). */
export const partKey = (part: "registry" | "orders") => `rouse/parts/${part}`;

/** Mode of a host, and whether it was declared dead (host-record.ts). */
export const HOSTS_PREFIX = "rouse/hosts/";
export const hostKey = (host: string) => `${HOSTS_PREFIX}${host}`;

/** How instances do that are not well, by version (health-record.ts). */
export const HEALTH_PREFIX = "rouse/health/";
export const healthKey = (service: string, version: string) => `${HEALTH_PREFIX}${service}/${version}`;

/** Splits "<prefix><service>/<version>"; undefined when it is not of that form. */
export function parseVersionKey(
  prefix: string,
  key: string,
): { service: string; version: string } | undefined {
  const parts = key.slice(prefix.length).split("/");
  const [service, version] = parts;
  return parts.length === 2 && service && version ? { service, version } : undefined;
}

/** Runs, operations and orders that have not ended, by the version that they are pinned to: it stays in the catalog. */
export const OPEN_WORK_PREFIX = "rouse/open-work/";
export const openWorkKey = (service: string, version: string) => `${OPEN_WORK_PREFIX}${service}/${version}`;
