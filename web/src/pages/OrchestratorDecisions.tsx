import { useState } from "preact/hooks";
import type { Decision } from "../../gen/rouse/catalog/v1/catalog.ts";
import { catalog } from "../api.ts";
import { ErrorNote } from "../components/Note.tsx";
import { Time } from "../components/Time.tsx";
import { Link, servicePath } from "../router.tsx";
import { useStream } from "../stream.ts";

/** So many are shown, the latest first. */
const SHOWN = 50;
/** A new stream begins with what the last one told. */
const keyOf = ({ atMs, kind, host, instance, service, version }: Decision) =>
  [atMs, kind, host, instance, service, version].join(" ");

/** What the orchestrator decides, as it does. */
export function OrchestratorDecisions() {
  const [decisions, setDecisions] = useState<readonly Decision[]>([]);
  const stream = useStream("decisions", {
    open: (signal) => catalog.watchDecisions({}, { signal, deadlineMs: 0 }),
    onMessage: (message) =>
      setDecisions((before) => {
        const known = new Set(before.map(keyOf));
        const fresh = message.decisions.filter((decision) => !known.has(keyOf(decision)));
        return [...fresh.reverse(), ...before].slice(0, SHOWN);
      }),
  });
  return (
    <section class="panel" aria-label="Decisions">
      <h2>Decisions</h2>
      {stream.status === "ended" && stream.error !== undefined && (
        <ErrorNote error={stream.error} what="the decisions" />
      )}
      {decisions.length === 0 && <p class="soft">None since the orchestrator began to lead.</p>}
      <ul class="plain decisions" aria-live="off">
        {decisions.map((decision) => (
          <DecisionLine key={keyOf(decision)} decision={decision} />
        ))}
      </ul>
    </section>
  );
}

function DecisionLine({ decision }: { readonly decision: Decision }) {
  const { atMs, kind, service, version, generation, instance, host, reason } = decision;
  return (
    <li>
      <span class="soft">
        <Time ms={Math.round(atMs)} />
      </span>
      <span class={`badge ${toneOf(kind)}`}>{kind.replaceAll("-", " ")}</span>
      <span>
        {service !== "" && (
          <>
            <Link href={servicePath(service, "", { version })}>{service}</Link> {version}{" "}
            {generation > 0 && <span class="soft">g{String(generation)} </span>}
          </>
        )}
        {instance !== "" && <span class="mono">{instance} </span>}
        {host !== "" && <>on {host} </>}
        {reason !== "" && <span class="soft">{reason}</span>}
      </span>
    </li>
  );
}

const BAD = ["fail", "host-lost", "quarantined", "retired"];
const WARN = ["suspect", "probation", "host-cordoned", "host-draining", "host-maintenance"];
const GOOD = ["start", "adopt", "resume", "healthy", "host-back", "host-active"];

function toneOf(kind: string): string {
  if (BAD.includes(kind)) return "bad";
  if (WARN.includes(kind)) return "warn";
  return GOOD.includes(kind) ? "good" : "";
}
