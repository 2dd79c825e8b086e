import type { Hit, SearchRequest, SearchResponse } from "#proto/rouse/catalog/v1/catalog.ts";
import { RouseError } from "../../../sdk/errors.ts";
import type { MeshState } from "../../state.ts";
import { STATE_WORDS, stateWord } from "../state-word.ts";
import { type Beside, serviceSummary, shownVersion } from "../view.ts";
import type { Found, SearchIndex } from "./index.ts";
import { matchesOf } from "./matches.ts";

/** Longest query, characters. */
export const MOST_QUERY = 200;
const DEFAULT_LIMIT = 20;
const MOST_LIMIT = 200;

/** Answers a search that {@link checkSearch} let pass. */
export function search(
  index: SearchIndex,
  { services }: MeshState,
  besideOf: (service: string) => Beside,
  request: SearchRequest,
): SearchResponse {
  const keep = filterOf(services, besideOf, request);
  const query = request.query.trim();
  const { found, words } =
    query === "" ? { found: index.names().filter(keep).map(unscored), words: [] } : index.search(query, keep);
  const limit = Math.min(request.limit || DEFAULT_LIMIT, MOST_LIMIT);
  const page = found.slice(request.offset, request.offset + limit);
  const hits = page.flatMap(({ id, score }): Hit[] => {
    const service = services.get(id);
    if (service === undefined) return [];
    const summary = serviceSummary(id, service, besideOf(id));
    const matches = words.length === 0 ? [] : matchesOf(index.pieces(id), words);
    return [{ service: summary, score, matches }];
  });
  return { hits, total: found.length };
}

function unscored(id: string): Found {
  return { id, score: 0 };
}

/**
 * Refuses what cannot be searched, before anything looks at the text: a million characters cost nothing.
 *
 * @throws RouseError INVALID_ARGUMENT QUERY_TOO_LONG, SEARCH_INVALID.
 */
export function checkSearch({ query, owner, tag, state }: SearchRequest): void {
  if (query.length > MOST_QUERY) {
    throw new RouseError(
      "INVALID_ARGUMENT",
      `The query has ${query.length} characters; ${MOST_QUERY} at most are searched. Give the words that matter.`,
      { reason: "QUERY_TOO_LONG" },
    );
  }
  for (const [name, value] of Object.entries({ owner, tag })) {
    if (value.length <= MOST_QUERY) continue;
    throw new RouseError(
      "INVALID_ARGUMENT",
      `The filter ${name} has ${value.length} characters; no ${name} has more than ${MOST_QUERY}.`,
      { reason: "SEARCH_INVALID" },
    );
  }
  if (state !== "" && !(STATE_WORDS as readonly string[]).includes(state)) {
    throw new RouseError(
      "INVALID_ARGUMENT",
      `There is no state "${state.slice(0, 40)}". Choose one of ${STATE_WORDS.join(", ")}.`,
      { reason: "SEARCH_INVALID" },
    );
  }
}

/** Whether a service passes the filters of a request. */
function filterOf(
  services: MeshState["services"],
  besideOf: (service: string) => Beside,
  { owner, tag, state, maxCpu, maxMemoryBytes, gpu }: SearchRequest,
): (id: string) => boolean {
  const wantedOwner = owner.toLowerCase();
  return (id) => {
    const service = services.get(id);
    if (service === undefined) return false;
    if (tag !== "" && !service.tags.has(tag)) return false;
    if (owner === "" && state === "" && maxCpu === 0 && maxMemoryBytes === 0 && !gpu) return true;
    const shown = shownVersion(id, service) ?? "";
    const version = service.versions.get(shown);
    if (version === undefined) return false;
    const { manifest } = version;
    const beside = besideOf(id);
    const { resources } = manifest;
    const owners = [manifest.owner, beside.about(shown)?.registeredBy ?? ""].map((name) =>
      name.toLowerCase(),
    );
    return (
      (owner === "" || owners.includes(wantedOwner)) &&
      (maxCpu === 0 || resources.cpu <= maxCpu) &&
      (maxMemoryBytes === 0 || resources.memory <= maxMemoryBytes) &&
      (!gpu || resources.gpu > 0) &&
      (state === "" || stateWord(version, beside.isWaking(shown)).state === state)
    );
  };
}
