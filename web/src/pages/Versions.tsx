import type { GetServiceResponse, ServiceState } from "../../gen/rouse/catalog/v1/catalog.ts";
import { StateBadge } from "../components/StateBadge.tsx";
import { Time } from "../components/Time.tsx";
import { Link, navigate, servicePath, withQuery } from "../router.tsx";
import { Comparison } from "./Comparison.tsx";

interface Props {
  readonly service: string;
  readonly known: GetServiceResponse | undefined;
  readonly live: ServiceState | undefined;
  readonly query: URLSearchParams;
}

/** All versions, and what differs between two of them. */
export function Versions({ service, known, live, query }: Props) {
  const names =
    known?.versions.map(({ version }) => version) ?? live?.versions.map(({ version }) => version) ?? [];
  const to = query.get("to") ?? names[0] ?? "";
  const released = known?.summary?.defaultVersion ?? "";
  const from = query.get("from") ?? (released !== "" && released !== to ? released : before(names, to));
  return (
    <div class="stack">
      {known !== undefined && <VersionTable service={service} known={known} live={live} />}
      {names.length > 1 && (
        <section class="panel stack" aria-label="Compare">
          <div class="row">
            <h2>Compare</h2>
            <Choice name="from" label="From" value={from} names={names} />
            <Choice name="to" label="To" value={to} names={names} />
          </div>
          <Comparison key={`${from} ${to}`} service={service} from={from} to={to} />
        </section>
      )}
    </div>
  );
}

/** The version that another one came after; names are newest first. */
function before(names: readonly string[], version: string): string {
  return names[names.indexOf(version) + 1] ?? names[0] ?? "";
}

interface ChoiceProps {
  readonly name: string;
  readonly label: string;
  readonly value: string;
  readonly names: readonly string[];
}

function Choice({ name, label, value, names }: ChoiceProps) {
  return (
    <label class="row">
      {label}
      <select
        value={value}
        onChange={(event) => navigate(withQuery({ [name]: event.currentTarget.value }), { replace: true })}
      >
        {names.map((version) => (
          <option key={version}>{version}</option>
        ))}
      </select>
    </label>
  );
}

interface TableProps {
  readonly service: string;
  readonly known: GetServiceResponse;
  readonly live: ServiceState | undefined;
}

function VersionTable({ service, known, live }: TableProps) {
  const tags = known.summary?.tags ?? [];
  const tagsOf = (version: string) =>
    tags
      .filter(({ members }) => members.some((member) => member.version === version))
      .map(({ name }) => name);
  const stateOf = (version: string) => live?.versions.find((each) => each.version === version);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys.
    <div class="panel scroll" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th>Version</th>
            <th>State</th>
            <th>Tags</th>
            <th>Registered</th>
            <th>By</th>
            <th>Commit</th>
            <th>Notes</th>
          </tr>
        </thead>
        <tbody>
          {known.versions.map((info) => (
            <tr key={info.version}>
              <td>
                <Link href={servicePath(service, "", { version: info.version })}>{info.version}</Link>
              </td>
              <td>
                <StateBadge
                  state={stateOf(info.version)?.state ?? ""}
                  reason={stateOf(info.version)?.reason ?? ""}
                />
              </td>
              <td>{tagsOf(info.version).join(", ")}</td>
              <td>
                <Time ms={info.registeredAtMs} />
              </td>
              <td>{info.registeredBy}</td>
              <td class="mono">{info.source?.commit.slice(0, 12)}</td>
              <td>
                {info.deprecated !== "" && <span class="badge warn">deprecated</span>}{" "}
                {info.approval !== "" && <StateBadge state={info.approval} />}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
