import { type Command, InvalidArgumentError } from "commander";
import { CatalogClient } from "#proto/rouse/catalog/v1/catalog.ts";
import { parseMemory } from "../../codegen/plugin/memory.ts";
import { unary } from "../../sdk/grpc.ts";
import { readMesh, withClient } from "../connect.ts";
import { parseCount } from "../flags.ts";

interface SearchFlags {
  owner: string;
  tag: string;
  state: string;
  maxCpu: number;
  maxMemory: number;
  gpu?: true;
  limit: number;
  json?: true;
  registry?: string;
}

/** `rouse search`: finds services by what they are called, do and say. */
export function addSearch(program: Command): void {
  program
    .command("search")
    .description("find services by words of their names, descriptions, methods, messages and comments")
    .argument("[words...]", "what to look for; typos are tolerated; none: all services by name")
    .option("--owner <owner>", "only those of this owner or provider", "")
    .option("--tag <tag>", "only those whose tag of that name is set", "")
    .option("--state <state>", "only those that are cold, starting, warm, failed, stopped or pending", "")
    .option("--max-cpu <cores>", "only those whose instances need no more", parseCores, 0)
    .option("--max-memory <size>", "only those whose instances need no more, such as 512Mi", parseSize, 0)
    .option("--gpu", "only those that need a GPU")
    .option("--limit <count>", "at most so many, up to 200", parseCount, 20)
    .option("--json", "print JSON")
    .option("--registry <host:port>", "the registry, when it is not that of the mesh on this host")
    .action(async (words: string[], flags: SearchFlags) => {
      const request = {
        query: words.join(" "),
        owner: flags.owner,
        tag: flags.tag,
        state: flags.state,
        maxCpu: flags.maxCpu,
        maxMemoryBytes: flags.maxMemory,
        gpu: flags.gpu === true,
        limit: flags.limit,
        offset: 0,
      };
      const found = await withClient(CatalogClient, flags.registry ?? readMesh().registry, (client) =>
        unary(client, "search", request),
      );
      if (flags.json === true) {
        console.log(JSON.stringify(found, null, 2));
        return;
      }
      const { hitLines } = await import("../catalog/hit-lines.ts");
      const lines = found.hits.flatMap((hit, at) => [...(at === 0 ? [] : [""]), ...hitLines(hit)]);
      if (found.hits.length === 0) lines.push("nothing was found");
      else if (found.total > found.hits.length)
        lines.push("", `${found.total - found.hits.length} more; --limit shows them`);
      for (const line of lines) console.log(line);
    });
}

function parseCores(text: string): number {
  const cores = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && cores > 0) return cores;
  throw new InvalidArgumentError(`"${text}" is no number of cores: give one such as 2 or 0.5.`);
}

function parseSize(text: string): number {
  const bytes = parseMemory(text);
  if (bytes !== undefined && bytes > 0) return bytes;
  throw new InvalidArgumentError(`"${text}" is no amount of memory: give one such as 512Mi or 2Gi.`);
}
