import type { Command } from "commander";
import { readMesh } from "../connect.ts";
import { collect, parseCount } from "../flags.ts";

interface CallFlags {
  version?: string;
  edge?: true;
  mesh?: true;
  header: string[];
  field: string[];
  deadline?: number;
  verbose?: true;
  async?: true;
  key?: string;
}

/** `rouse call`: calls a method of a registered service through Envoy, with JSON in and out. */
export function addCall(program: Command): void {
  program
    .command("call")
    .description("call a method through the mesh; a cold service is woken")
    .argument("<method>", "SERVICE/METHOD, such as genome.v1.GenomeService/GetSequence")
    .argument(
      "[json...]",
      'the request as JSON (default: {}), several for a client stream; "-": JSON lines from stdin, sent as they come',
    )
    .option(
      "-f, --field <name=value>",
      "a field of the request, over the JSON if there is any: name=chr1, region.start=5, name=@file; repeatable",
      collect,
      [],
    )
    .option("--version <spec>", "version of the service: exact, line (1.4), range (^1.4.0) or tag")
    .option("--edge", "by the edge listener (default for external services)")
    .option("--mesh", "by the internal listener (default for internal services)")
    .option("-H, --header <name:value>", "request header; repeatable", collect, [])
    .option("--deadline <ms>", "longest time of the call, the wake included", parseCount)
    .option("--async", "get an operation at once, for methods that are async by their contract")
    .option("--key <text>", "idempotency key of the operation: the same key gives the same operation")
    .option("-v, --verbose", "print headers, trailers and the time on stderr")
    .action(async (method: string, json: string[], flags: CallFlags) => {
      if (flags.async === true || flags.key !== undefined) {
        const { startOperation } = await import("../operations/start.ts");
        return startOperation(readMesh(), method, json, flags);
      }
      const { callMethod } = await import("../call/call.ts");
      await callMethod(readMesh(), method, json, flags);
    });
}
