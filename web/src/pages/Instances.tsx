import { Fragment } from "preact";
import type { InstanceInfo, ServiceState } from "../../gen/rouse/catalog/v1/catalog.ts";
import { StateBadge } from "../components/StateBadge.tsx";
import { Link, servicePath } from "../router.tsx";

/** The instances of all versions, with a way to their logs. */
export function Instances({
  service,
  live,
}: {
  readonly service: string;
  readonly live: ServiceState | undefined;
}) {
  const rows =
    live?.versions.flatMap(({ version, instances }) =>
      instances.map((instance) => ({ version, instance })),
    ) ?? [];
  if (live === undefined) return null;
  return (
    <section class="panel" aria-label="Instances">
      <h2>Instances</h2>
      {rows.length === 0 ? (
        <p class="soft">None runs. The next call starts one.</p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys.
        <div class="scroll" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th>Instance</th>
                <th>Version</th>
                <th>Host</th>
                <th>Runtime</th>
                <th>Address</th>
                <th>Health</th>
                <th>
                  <span class="visually-hidden">Logs</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {rows.map(({ version, instance }) => (
                <Fragment key={instance.id}>
                  <tr>
                    <td class="mono">{instance.id}</td>
                    <td>
                      {version} <span class="soft">g{String(instance.generation)}</span>
                    </td>
                    <td>
                      <Link href="/hosts">{instance.host}</Link>
                    </td>
                    <td>{instance.runtime}</td>
                    <td class="mono">{instance.address}</td>
                    <td>
                      {isUnwell(instance) ? <StateBadge state={instance.condition} /> : healthOf(instance)}
                    </td>
                    <td>
                      <Link href={servicePath(service, "logs", { version, instance: instance.id })}>
                        Logs
                      </Link>
                    </td>
                  </tr>
                  {isUnwell(instance) && instance.conditionReason !== "" && (
                    <tr class="why">
                      <td colSpan={7} class="soft">
                        {instance.conditionReason}
                      </td>
                    </tr>
                  )}
                </Fragment>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function isUnwell({ condition }: InstanceInfo): boolean {
  return condition !== "" && condition !== "healthy";
}

function healthOf({ standby, draining, healthy }: InstanceInfo): string {
  if (standby) return "standby";
  if (draining) return "draining";
  return healthy ? "healthy" : "unhealthy";
}
