import { type Build, ListBuildsRequest } from "../../gen/rouse/registry/v1/builds.ts";
import { builds } from "../clients/builds.ts";
import { ErrorNote, Note } from "../components/Note.tsx";
import { Time } from "../components/Time.tsx";
import { useLoad } from "../load.ts";
import { Link, servicePath } from "../router.tsx";
import { useTitle } from "../title.ts";
import { BuildBadge } from "./BuildBadge.tsx";

/** The latest builds from git. */
export function BuildsPage() {
  useTitle("Builds");
  const { value, error, reload } = useLoad("builds", (signal) =>
    builds.listBuilds(ListBuildsRequest.create({ limit: 100 }), { signal }),
  );
  return (
    <div class="stack">
      <div class="row spread">
        <h1>Builds</h1>
        <button type="button" onClick={reload}>
          Refresh
        </button>
      </div>
      {error !== undefined && <ErrorNote error={error} what="the builds" />}
      {value?.builds.length === 0 && (
        <Note>
          Nothing has been built yet. <code>rouse register --repo URL --ref REF</code> builds a service from
          git.
        </Note>
      )}
      {value === undefined && error === undefined && <p class="loading">Loading …</p>}
      {value !== undefined && value.builds.length > 0 && <BuildTable builds={value.builds} />}
    </div>
  );
}

function BuildTable({ builds }: { readonly builds: readonly Build[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys.
    <div class="panel scroll" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th>Build</th>
            <th>State</th>
            <th>Repository</th>
            <th>Ref</th>
            <th>Registered</th>
            <th>Provider</th>
            <th>Queued</th>
          </tr>
        </thead>
        <tbody>
          {builds.map((build) => (
            <tr key={build.id}>
              <td class="mono">
                <Link href={`/builds/${encodeURIComponent(build.id)}`}>{build.id.slice(0, 12)}</Link>
              </td>
              <td>
                <BuildBadge build={build} />
              </td>
              <td>{build.repository}</td>
              <td class="mono">{build.ref || build.commit.slice(0, 12)}</td>
              <td>
                {build.service !== "" && (
                  <Link href={servicePath(build.service, "", { version: build.version })}>
                    {build.service} {build.version}
                  </Link>
                )}
              </td>
              <td>{build.provider}</td>
              <td>
                <Time ms={build.queuedAtMs} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
