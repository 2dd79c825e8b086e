// Where things are in Consul. Names and versions hold no slash (manifest.ts), so keys split safely.

export const CATALOG_PREFIX = "rouse/catalog/";
export const TAGS_PREFIX = "rouse/tags/";
export const ACTIVATION_PREFIX = "rouse/activation/";
export const BLOBS_PREFIX = "rouse/blobs/";
export const NAMES_PREFIX = "rouse/names/";
/** Lock of the orchestrator that leads. */
export const ORCHESTRATOR_KEY = "rouse/leader/orchestrator";

export const catalogKey = (service: string, version: string) => `${CATALOG_PREFIX}${service}/${version}`;
export const tagsKey = (service: string) => `${TAGS_PREFIX}${service}`;
export const activationKey = (service: string, version: string) =>
  `${ACTIVATION_PREFIX}${service}/${version}`;
/** Folder of a version's descriptor set; by digest, so that writers of different content never mix their parts. */
export const blobFolder = (service: string, version: string, digest: string) =>
  `${BLOBS_PREFIX}${service}/${version}/${digest}/`;
/** One key per service and lower-case name: two services whose names differ only by case cannot both exist. */
export const nameKey = (service: string) => `${NAMES_PREFIX}${service.toLowerCase()}`;

/** Splits "<prefix><service>/<version>"; undefined when it is not of that form. */
export function parseVersionKey(
  prefix: string,
  key: string,
): { service: string; version: string } | undefined {
  const parts = key.slice(prefix.length).split("/");
  const [service, version] = parts;
  return parts.length === 2 && service && version ? { service, version } : undefined;
}
