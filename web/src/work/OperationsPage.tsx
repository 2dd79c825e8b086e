import { ListOperationsRequest, type Operation } from "../../gen/rouse/orders/v1/operations.ts";
import { operations } from "../clients/operations.ts";
import { Note } from "../components/Note.tsx";
import { Time } from "../components/Time.tsx";
import { duration } from "../format.ts";
import { useLoad } from "../load.ts";
import { Link, servicePath } from "../router.tsx";
import { useTitle } from "../title.ts";
import { isOver, operationStates, operationWord, ranFor } from "./operation-state.ts";
import { useEvery } from "./use-every.ts";
import { WorkBadge } from "./WorkBadge.tsx";
import { WorkError } from "./WorkError.tsx";
import { WorkFilters } from "./WorkFilters.tsx";
import { WorkTabs } from "./WorkTabs.tsx";

/** How often the list is read again while something of it is under way, ms. */
const AGAIN_MS = 2_000;
const MOST = 200;

/** The latest async calls, with filters that are in the address. */
export function OperationsPage({ query }: { readonly query: URLSearchParams }) {
  useTitle("Async calls");
  const service = query.get("service") ?? "";
  const state = query.get("state") ?? "";
  const { value, error, reload } = useLoad(`operations ${service} ${state}`, (signal) => {
    const request = { service, limit: MOST, ...(state !== "" && { state: operationStates.get(state) ?? 0 }) };
    return operations.listOperations(ListOperationsRequest.create(request), { signal });
  });
  useEvery(AGAIN_MS, value?.operations.some((operation) => !isOver(operation)) ?? false, reload);
  return (
    <div class="stack">
      <h1>Work</h1>
      <WorkTabs here="operations" />
      <WorkFilters
        text={{ name: "service", label: "Service", value: service }}
        state={state}
        states={[...operationStates.keys()]}
        reload={reload}
      />
      {error !== undefined && <WorkError error={error} what="the async calls" />}
      {value === undefined && error === undefined && <p class="loading">Loading …</p>}
      {value?.operations.length === 0 && (
        <Note>
          There is no async call{service !== "" || state !== "" ? " like that" : " yet"}.{" "}
          <code>rouse call METHOD REQUEST --async</code> starts one.
        </Note>
      )}
      {value !== undefined && value.operations.length > 0 && <OperationTable operations={value.operations} />}
      {value?.operations.length === MOST && <p class="soft">{`These are the latest ${MOST}.`}</p>}
    </div>
  );
}

function OperationTable({ operations }: { readonly operations: readonly Operation[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys.
    <div class="panel scroll" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th>Call</th>
            <th>State</th>
            <th>Method</th>
            <th>Version</th>
            <th>Progress</th>
            <th>Began</th>
            <th class="number">Ran for</th>
          </tr>
        </thead>
        <tbody>
          {operations.map((operation) => (
            <tr key={operation.id}>
              <td class="mono">
                <Link href={`/operations/${operation.id}`}>{operation.id.slice(0, 8)}</Link>
              </td>
              <td>
                <WorkBadge state={operationWord(operation.state)} note={operation.error?.message ?? ""} />
              </td>
              <td>
                <Link href={servicePath(operation.service, "", { version: operation.version })}>
                  {operation.service}
                </Link>
                /{operation.method}
              </td>
              <td>{operation.version}</td>
              <td>{progressText(operation)}</td>
              <td>
                <Time ms={operation.createdAtMs} />
              </td>
              <td class="number">{ranText(operation)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function progressText({ progress }: Operation): string {
  if (progress === undefined) return "";
  return `${Math.round(progress.fraction * 100)} %${progress.note === "" ? "" : ` · ${progress.note}`}`;
}

function ranText(operation: Operation): string {
  const ms = ranFor(operation);
  return ms === undefined ? "" : duration(ms);
}
