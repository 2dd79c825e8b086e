import { useState } from "preact/hooks";
import type { Host } from "../../gen/rouse/catalog/v1/catalog.ts";
import { catalog } from "../api.ts";
import { ErrorNote, Note } from "../components/Note.tsx";
import { useStream } from "../stream.ts";
import { useTitle } from "../title.ts";
import { HostPanel } from "./HostPanel.tsx";
import { OrchestratorDecisions } from "./OrchestratorDecisions.tsx";
import "./hosts.css";

/** The hosts with what they have, what runs on them and how they are, and what the orchestrator decides, as it changes. */
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
      <OrchestratorDecisions />
    </div>
  );
}
