import { ListRunsRequest, type Run } from "../../gen/rouse/orders/v1/runs.ts";
import { runs } from "../clients/runs.ts";
import { Note } from "../components/Note.tsx";
import { Time } from "../components/Time.tsx";
import { count } from "../format.ts";
import { useLoad } from "../load.ts";
import { Link, servicePath } from "../router.tsx";
import { useTitle } from "../title.ts";
import { useEvery } from "../work/use-every.ts";
import { WorkBadge } from "../work/WorkBadge.tsx";
import { WorkError } from "../work/WorkError.tsx";
import { WorkFilters } from "../work/WorkFilters.tsx";
import { WorkTabs } from "../work/WorkTabs.tsx";
import { KeptValues } from "./KeptValues.tsx";
import { isOver, runStates, runWord } from "./run-state.ts";

/** How often the list is read again while something of it is under way, ms. */
const AGAIN_MS = 2_000;
const MOST = 200;

/** The latest durable runs. */
export function RunsPage({ query }: { readonly query: URLSearchParams }) {
  useTitle("Durable runs");
  const service = query.get("service") ?? "";
  const state = query.get("state") ?? "";
  const { value, error, reload } = useLoad(`runs ${service} ${state}`, (signal) => {
    const wanted = state === "" ? {} : { state: runStates.get(state) ?? 0 };
    return runs.listRuns(ListRunsRequest.create({ service, limit: MOST, ...wanted }), { signal });
  });
  useEvery(AGAIN_MS, value?.runs.some((run) => !isOver(run.state)) ?? false, reload);
  return (
    <div class="stack">
      <h1>Work</h1>
      <WorkTabs here="runs" />
      <WorkFilters
        text={{ name: "service", label: "Service", value: service }}
        state={state}
        states={[...runStates.keys()]}
        reload={reload}
      />
      {error !== undefined && <WorkError error={error} what="the durable runs" />}
      {value === undefined && error === undefined && <p class="loading">Loading …</p>}
      {value?.runs.length === 0 && (
        <Note>
          There is no durable run{service !== "" || state !== "" ? " like that" : " yet"}: a call of a method
          that is durable by its contract starts one.
        </Note>
      )}
      {value !== undefined && value.runs.length > 0 && <RunTable runs={value.runs} />}
      {service !== "" && <KeptValues service={service} />}
      {value?.runs.length === MOST && <p class="soft">{`These are the latest ${MOST}.`}</p>}
    </div>
  );
}

function RunTable({ runs }: { readonly runs: readonly Run[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys.
    <div class="panel scroll" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th>Run</th>
            <th>State</th>
            <th>Method</th>
            <th>Version</th>
            <th>Key</th>
            <th class="number">Entries</th>
            <th>Began</th>
            <th>Wakes</th>
          </tr>
        </thead>
        <tbody>
          {runs.map(({ operation, state, key, entries, wakesAtMs, trouble }) =>
            operation === undefined ? null : (
              <tr key={operation.id}>
                <td class="mono">
                  <Link href={`/runs/${operation.id}`}>{operation.id.slice(0, 8)}</Link>
                </td>
                <td>
                  <WorkBadge state={runWord(state)} note={operation.error?.message || trouble} />
                </td>
                <td>
                  <Link href={servicePath(operation.service, "", { version: operation.version })}>
                    {operation.service}
                  </Link>
                  /{operation.method}
                </td>
                <td>{operation.version}</td>
                <td>{key}</td>
                <td class="number">{count(entries)}</td>
                <td>
                  <Time ms={operation.createdAtMs} />
                </td>
                <td>
                  <Time ms={wakesAtMs} />
                </td>
              </tr>
            ),
          )}
        </tbody>
      </table>
    </div>
  );
}
