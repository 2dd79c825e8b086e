import { useRef } from "preact/hooks";
import type { GetServiceResponse, ServiceState, VersionInfo } from "../../gen/rouse/catalog/v1/catalog.ts";
import { catalog } from "../api.ts";
import { ErrorNote, Note } from "../components/Note.tsx";
import { StateBadge } from "../components/StateBadge.tsx";
import { useLoad } from "../load.ts";
import { Link, navigate, withQuery } from "../router.tsx";
import { useServiceState } from "../state.ts";
import { useTitle } from "../title.ts";
import { Name } from "./HitList.tsx";
import { ServiceTab } from "./ServiceTab.tsx";
import { ServiceTabs } from "./ServiceTabs.tsx";
import "./service.css";

interface Props {
  readonly service: string;
  readonly tab: string;
  readonly query: URLSearchParams;
}

/** Everything of one service. The query's "version" is the one that is shown; by default what calls get. */
export function ServicePage({ service, tab, query }: Props) {
  useTitle(service);
  const live = useServiceState(service, "one");
  const known = useLoad(`${service} ${useNews(live)}`, (signal) =>
    catalog.getService({ name: service }, { signal }),
  );
  const version =
    query.get("version") ??
    (known.value?.summary?.defaultVersion ||
      known.value?.versions[0]?.version ||
      live?.versions[0]?.version ||
      "");
  const info = known.value?.versions.find((candidate) => candidate.version === version);
  const state = live?.versions.find((candidate) => candidate.version === version);
  const missing = known.error?.status === "NOT_FOUND";
  return (
    <div class="service stack">
      <div class="row title">
        <h1>
          <Name name={service} />
        </h1>
        <VersionChoice service={known.value} version={version} />
        <StateBadge state={state?.state ?? ""} reason={state?.reason ?? ""} />
        {known.value?.summary?.external === true && <span class="badge">external</span>}
      </div>
      <p class="lead">{info?.about?.summary || known.value?.summary?.summary}</p>
      {known.error !== undefined && <ErrorNote error={known.error} what="the service" />}
      <VersionNotes info={info} />
      {(state?.state === "failed" || state?.state === "stopped" || state?.state === "crash-looping") && (
        <Note kind="warning">
          Version {version} is {state.state}: {state.reason}
        </Note>
      )}
      {!missing && (
        <>
          <ServiceTabs service={service} tab={tab} version={query.get("version") ?? ""} />
          {(known.value !== undefined || known.error !== undefined) && (
            <ServiceTab
              tab={tab}
              service={service}
              version={version}
              info={info}
              known={known.value}
              live={live}
              query={query}
            />
          )}
          {known.loading && known.value === undefined && <p class="loading">Loading …</p>}
        </>
      )}
    </div>
  );
}

/** Changes whenever versions, tags or approvals do after the page was opened: what it has asked for is old then. */
function useNews(live: ServiceState | undefined): string {
  const first = useRef<string>(undefined);
  if (live === undefined) return "";
  const now = JSON.stringify([
    live.tags,
    live.versions.map(({ version, state }) => [version, state === "pending"]),
  ]);
  first.current ??= now;
  return now === first.current ? "" : now;
}

function VersionChoice({
  service,
  version,
}: {
  readonly service: GetServiceResponse | undefined;
  readonly version: string;
}) {
  if (service === undefined) return null;
  const tags = service.summary?.tags ?? [];
  const tagged = (name: string) =>
    tags.filter(({ members }) => members.some((member) => member.version === name)).map((tag) => tag.name);
  return (
    <select
      aria-label="Version"
      value={version}
      onChange={(event) => navigate(withQuery({ version: event.currentTarget.value }))}
    >
      {!service.versions.some((info) => info.version === version) && (
        <option value={version}>{version}</option>
      )}
      {service.versions.map((info) => (
        <option key={info.version} value={info.version}>
          {[info.version, ...tagged(info.version)].join(" · ")}
        </option>
      ))}
    </select>
  );
}

/** What somebody must know before they use this version. */
function VersionNotes({ info }: { readonly info: VersionInfo | undefined }) {
  if (info === undefined) return null;
  return (
    <>
      {info.deprecated !== "" && (
        <Note kind="warning">
          <strong>Version {info.version} is deprecated:</strong> {info.deprecated}
        </Note>
      )}
      {info.approval === "pending" && (
        <Note kind="warning">
          Version {info.version} waits for its approval: see the <Link href="/reviews">reviews</Link>.
        </Note>
      )}
      {info.approval === "denied" && (
        <Note kind="error">The approval of version {info.version} was denied.</Note>
      )}
    </>
  );
}
