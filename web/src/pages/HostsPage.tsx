import { useState } from "preact/hooks";
import type { Host } from "../../gen/rouse/catalog/v1/catalog.ts";
import { catalog } from "../api.ts";
import { ErrorNote, Note } from "../components/Note.tsx";
import { StateBadge } from "../components/StateBadge.tsx";
import { bytes, plural } from "../format.ts";
import { useStream } from "../stream.ts";
import { useTitle } from "../title.ts";
import "./hosts.css";

/** The hosts with what they have and what is used of it, as it changes. */
export function HostsPage() {
  useTitle("Hosts");
  const [hosts, setHosts] = useState<readonly Host[]>();
  const stream = useStream("hosts", {
    open: (signal) => catalog.watchHosts({}, { signal, deadlineMs: 0 }),
    onMessage: (message) => setHosts(message.hosts),
  });
  return (
    <div class="stack">
      <h1>Hosts</h1>
      {stream.status === "ended" && stream.error !== undefined && (
        <ErrorNote error={stream.error} what="the hosts" />
      )}
      {hosts === undefined && stream.status !== "ended" && <p class="loading">Loading …</p>}
      {hosts?.length === 0 && (
        <Note kind="warning">
          No host is there: without one nothing can start. <code>rouse agent</code> makes a machine one.
        </Note>
      )}
      <ul class="host-list">
        {hosts?.map((host) => (
          <HostPanel key={host.name} host={host} />
        ))}
      </ul>
    </div>
  );
}

function HostPanel({ host }: { readonly host: Host }) {
  return (
    <li class="panel">
      <div class="row spread">
        <h2>{host.name}</h2>
        {host.condition !== "" && host.condition !== "healthy" && (
          <StateBadge state={host.condition} reason={host.conditionReason} />
        )}
        <span class={`badge ${host.healthy ? "good" : "bad"}`}>
          <span class="dot" aria-hidden="true" />
          {host.healthy ? "healthy" : "unreachable"}
        </span>
      </div>
      <p class="soft">
        {host.runtime} · {plural(host.instances, "instance")}
        {host.gpu > 0 && ` · ${host.gpu} GPU`}
      </p>
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
    </li>
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
