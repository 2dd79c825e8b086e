import type { UpOptions } from "./options.ts";
import type { RunningMesh } from "./up.ts";

/** Prints where everything is and what to try. */
export function announce({ mesh, runtimeReason }: RunningMesh, options: UpOptions): void {
  const reason = runtimeReason === "" ? "." : `: ${runtimeReason.replace(/([^.])$/, "$1.")}`;
  console.log(`
The mesh runs. Instances run in the ${mesh.runtime} runtime${reason}

  site       http://${mesh.edge}/    the catalog: search, docs, try, usage; orders and artifacts
  edge       http://${mesh.edge}    gRPC, gRPC-web, JSON over HTTP, MCP (/mcp)
  Consul     http://${mesh.consul}/ui
  status     npx rouse status
  data       ${mesh.data}

Try next:

${tries(options.examples, mesh.runtime)
  .map((line) => `  ${line}`)
  .join("\n")}

Ctrl-C stops everything; the next start finds the state again.`);
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
