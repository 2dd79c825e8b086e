import { SearchRequest } from "../../gen/rouse/catalog/v1/catalog.ts";

/** Services on one page of results. */
export const PAGE_SIZE = 50;

/** Longest query that the API takes; characters. */
export const LONGEST_QUERY = 200;

/** The states that the API filters by. */
export const states = [
  "cold",
  "standby",
  "starting",
  "warm",
  "failed",
  "stopped",
  "pending",
  "crash-looping",
];

/** Names of the filters in the URL. */
export const filterNames = ["owner", "tag", "state", "cpu", "memory", "gpu"] as const;

/** The search that a URL asks for: "?q=genome&owner=ada&tag=release&state=warm&cpu=2&memory=512&gpu=1&page=2". */
export function searchRequest(query: URLSearchParams): SearchRequest {
  const text = (name: string) => query.get(name) ?? "";
  return SearchRequest.create({
    query: text("q").slice(0, LONGEST_QUERY),
    owner: text("owner"),
    tag: text("tag"),
    state: text("state"),
    maxCpu: positive(text("cpu")),
    maxMemoryBytes: BigInt(Math.round(positive(text("memory")) * 2 ** 20)),
    gpu: text("gpu") === "1",
    limit: PAGE_SIZE,
    offset: (pageOf(query) - 1) * PAGE_SIZE,
  });
}

/** Page of the results, from 1. */
export function pageOf(query: URLSearchParams): number {
  return Math.min(1_000_000, Math.max(1, Math.trunc(positive(query.get("page") ?? "")) || 1));
}

function positive(text: string): number {
  const value = Number(text);
  return Number.isFinite(value) && value > 0 ? Math.min(value, 2 ** 30) : 0;
}
