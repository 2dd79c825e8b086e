import { useState } from "preact/hooks";
import { type Finding, Finding_Severity } from "../../gen/rouse/registry/v1/releases.ts";

/** So many findings are shown at first; the worst come first. */
const SHOWN = 6;

/** What the gate found, with the calls that it concerns. */
export function Findings({ findings }: { readonly findings: readonly Finding[] }) {
  const [all, setAll] = useState(false);
  if (findings.length === 0) return <p class="soft">The gate found nothing that callers would notice.</p>;
  return (
    <>
      <ul class="findings">
        {findings.slice(0, all ? findings.length : SHOWN).map((finding, index) => (
          <FindingLine key={index} finding={finding} />
        ))}
      </ul>
      {!all && findings.length > SHOWN && (
        <div>
          <button type="button" onClick={() => setAll(true)}>
            Show all {findings.length} findings
          </button>
        </div>
      )}
    </>
  );
}

function FindingLine({ finding: { severity, message, rule } }: { readonly finding: Finding }) {
  const breaking = severity === Finding_Severity.SEVERITY_BREAKING;
  return (
    <li>
      <span class={`badge ${breaking ? "bad" : ""}`}>{breaking ? "breaking" : "note"}</span>
      <span>
        {message.split("`").map((part, at) => (at % 2 === 1 ? <code key={at}>{part}</code> : part))}{" "}
        <code class="soft rule">{rule}</code>
      </span>
    </li>
  );
}
