import { useEffect, useState } from "preact/hooks";
import { type Artifact, SearchArtifactsRequest } from "../../gen/rouse/orders/v1/artifacts.ts";
import { RouseError } from "../api.ts";
import { artifacts } from "../clients/artifacts.ts";
import { Note } from "../components/Note.tsx";
import { Time } from "../components/Time.tsx";
import { bytes } from "../format.ts";
import { useLoad } from "../load.ts";
import { navigate, withQuery } from "../router.tsx";
import { useTitle } from "../title.ts";
import { WorkError } from "../work/WorkError.tsx";
import { WorkTabs } from "../work/WorkTabs.tsx";
import { ArtifactLink } from "./ArtifactLink.tsx";
import "../work/work.css";

const PAGE = 50;

/** Artifacts, newest first, found by what was said of them; the search is in the address. */
export function ArtifactsPage({ query }: { readonly query: URLSearchParams }) {
  useTitle("Artifacts");
  const text = query.get("q") ?? "";
  const where = query.getAll("where");
  const owner = query.get("owner") ?? "";
  const search = { query: text, where, owner, limit: PAGE };
  const key = JSON.stringify(search);
  const { value, error, reload } = useLoad(key, (signal) =>
    artifacts.searchArtifacts(SearchArtifactsRequest.create(search), { signal }),
  );
  const more = useMore(value, search);
  const found = [...(value?.artifacts ?? []), ...more.found];
  const searched = text !== "" || where.length > 0 || owner !== "";
  return (
    <div class="stack">
      <h1>Work</h1>
      <WorkTabs here="artifacts" />
      <div class="row spread">
        <search class="work-filters">
          <Field name="q" label="Words" value={text} />
          <Field name="where" label="Metadata, such as organism=lambda" value={where.join(", ")} />
          <Field name="owner" label="Owner" value={owner} />
        </search>
        <button type="button" onClick={reload}>
          Refresh
        </button>
      </div>
      {error !== undefined && <WorkError error={error} what="the artifacts" />}
      {value === undefined && error === undefined && <p class="loading">Loading …</p>}
      {value?.artifacts.length === 0 && (
        <Note>
          There is no artifact{searched ? " like that" : " yet"}. Jobs put them out, and{" "}
          <code>rouse artifacts put FILE</code> stores one.
        </Note>
      )}
      {found.length > 0 && <ArtifactTable artifacts={found} />}
      {more.error !== undefined && <WorkError error={more.error} what="more artifacts" />}
      {more.there && (
        <div>
          <button type="button" onClick={more.read}>
            Show more
          </button>
        </div>
      )}
    </div>
  );
}

/** The pages after the first, as they are asked for. */
function useMore(
  first: { readonly artifacts: readonly Artifact[]; readonly nextPage: string } | undefined,
  search: Parameters<typeof SearchArtifactsRequest.create>[0],
) {
  const [found, setFound] = useState<readonly Artifact[]>([]);
  const [next, setNext] = useState("");
  const [error, setError] = useState<RouseError>();
  useEffect(() => {
    setFound([]);
    setNext(first?.nextPage ?? "");
    setError(undefined);
  }, [first]);
  const read = async () => {
    try {
      const page = await artifacts.searchArtifacts(
        SearchArtifactsRequest.create({ ...search, page: next } as Partial<SearchArtifactsRequest>),
      );
      setFound((before) => [...before, ...page.artifacts]);
      setNext(page.nextPage);
    } catch (thrown) {
      setError(RouseError.from(thrown));
    }
  };
  return { found, error, there: next !== "", read: () => void read() };
}

interface FieldProps {
  readonly name: "q" | "where" | "owner";
  readonly label: string;
  readonly value: string;
}

function Field({ name, label, value }: FieldProps) {
  return (
    <label>
      {label}
      <input
        type="text"
        value={value}
        spellcheck={false}
        autoComplete="off"
        onChange={({ currentTarget }) => apply(name, currentTarget.value)}
      />
    </label>
  );
}

function apply(name: FieldProps["name"], text: string): void {
  const values = (name === "where" ? text.split(",") : [text]).map((part) => part.trim()).filter(Boolean);
  const url = new URL(withQuery({ [name]: "" }), location.href);
  for (const value of values) url.searchParams.append(name, value);
  navigate(url.pathname + url.search, { replace: true });
}

function ArtifactTable({ artifacts }: { readonly artifacts: readonly Artifact[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys.
    <div class="panel scroll" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th>Artifact</th>
            <th>Type</th>
            <th class="number">Size</th>
            <th>Owner</th>
            <th>Metadata</th>
            <th>Stored</th>
          </tr>
        </thead>
        <tbody>
          {artifacts.map((artifact) => (
            <tr key={artifact.uri}>
              <td>
                <ArtifactLink uri={artifact.uri} name={artifact.name} />
              </td>
              <td>{artifact.mediaType}</td>
              <td class="number nowrap">{bytes(artifact.bytes)}</td>
              <td>{artifact.owner}</td>
              <td>
                {Object.entries(artifact.metadata)
                  .slice(0, 4)
                  .map(([key, value]) => `${key}=${value}`)
                  .join(", ")}
              </td>
              <td>
                <Time ms={artifact.createdAtMs} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
