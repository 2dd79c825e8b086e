import type { UpOptions } from "./options.ts";
import type { RunningMesh } from "./up.ts";

/** Says where everything is and what to try. */
export function announcement(
  { mesh, runtimeReason, warnings }: Omit<RunningMesh, "stop">,
  options: Pick<UpOptions, "examples">,
): string {
  const reason = runtimeReason === "" ? "." : `: ${runtimeReason.replace(/([^.])$/, "$1.")}`;
  return `
The mesh runs. Instances run in the ${mesh.runtime} runtime${reason}${warnings.map((what) => `\nNote: ${what}.`).join("")}

  site       http://${mesh.edge}/    the catalog: search, docs, try, usage; orders and artifacts
  edge       http://${mesh.edge}    gRPC, gRPC-web, JSON over HTTP, MCP (/mcp)
  Consul     http://${mesh.consul}/ui
  status     npx rouse status
  data       ${mesh.data}

Try next:

${tries(options.examples, mesh.runtime)
  .map((line) => `  ${line}`)
  .join("\n")}

Ctrl-C stops everything; the next start finds the state again.`;
}

function tries(examples: boolean, runtime: string): string[] {
  if (!examples) return ["npx rouse new my-service", "npx rouse services", "npx rouse status"];
  return [
    "npx rouse services",
    `npx rouse call genome.v1.GenomeService/ListReferences '{}'`,
    "npx rouse wakes",
    // Jobs have sandboxes where Docker is.
    ...(runtime === "docker" ? ["npx rouse order --workflow examples/analysis/phage.json"] : []),
  ];
}
