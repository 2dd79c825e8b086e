import type { Host, HostInstance } from "../../gen/rouse/catalog/v1/catalog.ts";
import { StateBadge } from "../components/StateBadge.tsx";
import { Time } from "../components/Time.tsx";
import { bytes, plural } from "../format.ts";
import { Link, servicePath } from "../router.tsx";

/** One host: what it has, what is used of it, how it is, and what runs on it. */
export function HostPanel({ host }: { readonly host: Host }) {
  const [word, tone] = stateOf(host);
  const facts = [
    host.runtime,
    ...(host.zone === "" ? [] : [`zone ${host.zone}`]),
    ...(host.gpu > 0 ? [`${host.gpu} GPU`] : []),
    ...(host.costPerHour > 0 ? [`${host.costPerHour} per hour`] : []),
    ...(host.speed !== 1 && host.speed > 0 ? [`${host.speed} × speed`] : []),
  ];
  return (
    <li class="panel">
      <div class="row spread">
        <h2>{host.name}</h2>
        <span class="row">
          {host.condition !== "" && host.condition !== "healthy" && (
            <StateBadge state={host.condition} reason={host.conditionReason} />
          )}
          <span class={`badge ${tone}`}>
            <span class="dot" aria-hidden="true" />
            {word}
          </span>
        </span>
      </div>
      <p class="soft">{facts.join(" · ")}</p>
      <Why host={host} />
      <Share
        name="CPU"
        used={host.cpuUsed}
        all={host.cpu}
        format={(value) => `${Number(value.toFixed(2))}`}
        unit=" cores"
      />
      <Share
        name="Memory"
        used={Number(host.memoryUsedBytes)}
        all={Number(host.memoryBytes)}
        format={bytes}
        unit=""
      />
      {Object.keys(host.labels).length > 0 && (
        <p class="row">
          {Object.entries(host.labels).map(([name, value]) => (
            <span class="badge" key={name}>
              {name}={value}
            </span>
          ))}
        </p>
      )}
      <Running instances={host.running} />
    </li>
  );
}

/** A word for how a host is, and its colour. */
function stateOf({ lostAtMs, reachable, healthy, mode }: Host): [string, "good" | "bad" | "warn" | ""] {
  if (lostAtMs > 0) return reachable ? ["settling", "warn"] : ["dead", "bad"];
  if (!reachable) return ["silent", "bad"];
  if (!healthy) return ["no agent", "bad"];
  const word = mode?.mode ?? "active";
  return word === "active" ? ["active", "good"] : [word, "warn"];
}

/** Why it is not as usual. */
function Why({ host }: { readonly host: Host }) {
  const { mode, lostAtMs, reachable, running } = host;
  return (
    <>
      {lostAtMs > 0 && (
        <p class={reachable ? "" : "bad"}>
          Declared dead <Time ms={Math.round(lostAtMs)} />:{" "}
          {reachable
            ? "it is back, and stops what was replaced elsewhere."
            : "its instances are replaced elsewhere."}
        </p>
      )}
      {mode !== undefined && mode.mode !== "active" && (
        <p>
          Since <Time ms={Math.round(mode.atMs)} />: {mode.reason}
          {mode.deadlineMs > 0 && running.length > 0 && (
            <span class="soft">
              {" "}
              (what runs there has until <Time ms={Math.round(mode.deadlineMs)} />)
            </span>
          )}
        </p>
      )}
    </>
  );
}

function Running({ instances }: { readonly instances: readonly HostInstance[] }) {
  if (instances.length === 0) return <p class="soft">Nothing runs here.</p>;
  return (
    <details open={instances.length <= 8}>
      <summary>{plural(instances.length, "instance")}</summary>
      <ul class="plain host-instances">
        {instances.map(({ id, service, version, healthy, draining, standby, condition, conditionReason }) => (
          <li key={id}>
            <Link href={servicePath(service, "logs", { version, instance: id })}>{id}</Link>{" "}
            <span class="soft">{version}</span> {draining && <StateBadge state="draining" />}
            {standby && <StateBadge state="standby" />}
            {!healthy && <span class="bad">unhealthy</span>}
            {condition !== "" && condition !== "healthy" && (
              <>
                {" "}
                <StateBadge state={condition} /> <span class="soft">{conditionReason}</span>
              </>
            )}
          </li>
        ))}
      </ul>
    </details>
  );
}

interface ShareProps {
  readonly name: string;
  readonly used: number;
  readonly all: number;
  readonly format: (value: number) => string;
  readonly unit: string;
}

function Share({ name, used, all, format, unit }: ShareProps) {
  const text = `${format(used)} of ${format(all)}${unit}`;
  return (
    <div class="share">
      <span>{name}</span>
      <meter min={0} max={all > 0 ? all : 1} value={used} aria-label={`${name}: ${text}`} />
      <span class="soft">{text}</span>
    </div>
  );
}
