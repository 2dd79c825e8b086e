import { useEffect, useRef, useState } from "preact/hooks";
import { catalog } from "../api.ts";
import { ErrorNote, Note } from "../components/Note.tsx";
import { plural } from "../format.ts";
import { useLoad } from "../load.ts";
import { Link, withQuery } from "../router.tsx";
import { useTitle } from "../title.ts";
import { HitList } from "./HitList.tsx";
import { SearchForm } from "./SearchForm.tsx";
import { PAGE_SIZE, pageOf, searchRequest } from "./search-query.ts";
import "./catalog.css";

/** Search over all services. "/" goes to the search field, the arrows through what was found, Enter opens. */
export function CatalogPage({ query }: { readonly query: URLSearchParams }) {
  useTitle("Catalog");
  const request = searchRequest(query);
  const { value, error, loading, reload } = useLoad(query.toString(), (signal) =>
    catalog.search(request, { signal, deadlineMs: 10_000 }),
  );
  const root = useRef<HTMLDivElement>(null);
  useArrowKeys(root);
  useEnter(root, value === undefined || loading ? undefined : request.query);
  const page = pageOf(query);
  return (
    <div class="catalog stack" ref={root}>
      <h1>Catalog</h1>
      <SearchForm query={query} />
      {error !== undefined && (
        <>
          <ErrorNote error={error} what="the search" />
          <p>
            <button type="button" onClick={reload}>
              Try again
            </button>
          </p>
        </>
      )}
      {value !== undefined && (
        <>
          <p class="soft found" role="status" aria-busy={loading}>
            {plural(value.total, "service")}
          </p>
          {value.total === 0 && <Nothing query={query} />}
          <HitList hits={value.hits} />
          <Pages page={page} last={Math.ceil(value.total / PAGE_SIZE)} />
        </>
      )}
      {value === undefined && error === undefined && <p class="loading">Loading …</p>}
    </div>
  );
}

function Nothing({ query }: { readonly query: URLSearchParams }) {
  if (query.size === 0)
    return (
      <Note>
        The catalog is empty. In a folder with a contract, <code>rouse register</code> adds a service.
      </Note>
    );
  return (
    <Note>
      Nothing matches. <Link href="/">Show all services</Link>
    </Note>
  );
}

function Pages({ page, last }: { readonly page: number; readonly last: number }) {
  if (last < 2) return null;
  return (
    <nav class="row" aria-label="Pages of results">
      {page > 1 && <Link href={withQuery({ page: page === 2 ? "" : String(page - 1) })}>Previous</Link>}
      <span class="soft">
        Page {page} of {last}
      </span>
      {page < last && <Link href={withQuery({ page: String(page + 1) })}>Next</Link>}
    </nav>
  );
}

/**
 * Enter in the search field opens the first that was found; when the search still goes on, as soon as it is done.
 *
 * @param answered the query whose answer is shown; undefined: it is on its way.
 */
function useEnter(root: { readonly current: HTMLElement | null }, answered: string | undefined): void {
  const [waiting, setWaiting] = useState(false);
  useEffect(() => {
    const input = root.current?.querySelector<HTMLInputElement>("input[type=search]");
    const onKey = (event: KeyboardEvent) => setWaiting(event.key === "Enter");
    input?.addEventListener("keydown", onKey);
    return () => input?.removeEventListener("keydown", onKey);
  }, [root]);
  useEffect(() => {
    const input = root.current?.querySelector<HTMLInputElement>("input[type=search]");
    if (!waiting || answered === undefined || input?.value !== answered) return;
    setWaiting(false);
    root.current?.querySelector<HTMLElement>(".hit > a")?.click();
  }, [root, waiting, answered]);
}

/** The field and the names found are one column for the arrow keys. */
function useArrowKeys(root: { readonly current: HTMLElement | null }): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.metaKey || event.ctrlKey || event.altKey) return;
      const input = root.current?.querySelector<HTMLElement>("input[type=search]") ?? null;
      const target = event.target as HTMLElement;
      if (event.key === "/" && !target.matches("input, textarea, select, [contenteditable]")) {
        event.preventDefault();
        input?.focus();
        return;
      }
      const stops = [input, ...(root.current?.querySelectorAll<HTMLElement>(".hit > a") ?? [])];
      const at = stops.indexOf(target);
      if (at < 0) return;
      const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
      const next = stops[at + step];
      if (event.key === "Escape" && at > 0) input?.focus();
      if (step === 0 || next === undefined || next === null) return;
      event.preventDefault();
      next.focus();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [root]);
}
