import { type Finding, Finding_Severity } from "../../gen/rouse/registry/v1/releases.ts";

/** What the gate found, with the calls that it concerns. */
export function Findings({ findings }: { readonly findings: readonly Finding[] }) {
  if (findings.length === 0) return <p class="soft">The gate found nothing that callers would notice.</p>;
  return (
    <ul class="findings">
      {findings.map((finding, index) => {
        const breaking = finding.severity === Finding_Severity.SEVERITY_BREAKING;
        return (
          <li key={index}>
            <span class={`badge ${breaking ? "bad" : ""}`}>{breaking ? "breaking" : "note"}</span>{" "}
            {finding.message} <code class="soft">{finding.rule}</code>
          </li>
        );
      })}
    </ul>
  );
}
