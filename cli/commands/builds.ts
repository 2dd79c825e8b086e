import type { Command } from "commander";
import { BuildsClient } from "#proto/rouse/registry/v1/builds.ts";
import { unary } from "../../sdk/grpc.ts";
import { buildStateWord, followBuild, printBuildLog } from "../builds.ts";
import { readMesh, withClient } from "../connect.ts";
import { parseCount } from "../flags.ts";
import { table } from "../table.ts";

interface Flags {
  registry?: string;
}

const registryOf = (flags: Flags) => flags.registry ?? readMesh().registry;
const REGISTRY = [
  "--registry <host:port>",
  "the registry, when it is not that of the mesh on this host",
] as const;

/** `rouse builds`: what was and is built from git; its logs; an end to it. */
export function addBuilds(program: Command): void {
  const builds = program
    .command("builds")
    .description('list what was built from git by "rouse register --repo", newest first')
    .option("--service <name>", "only builds that registered this service", "")
    .option("--limit <count>", "at most so many", parseCount, 20)
    .option("--json", "print JSON lines")
    .option(...REGISTRY)
    .action(async (flags: Flags & { service: string; limit: number; json?: true }) => {
      const { service, limit } = flags;
      const { builds: found } = await withClient(BuildsClient, registryOf(flags), (client) =>
        unary(client, "listBuilds", { service, limit }),
      );
      if (flags.json === true) {
        for (const build of found) console.log(JSON.stringify(build));
        return;
      }
      const rows = found.map((build) => [
        build.id,
        new Date(build.queuedAtMs).toISOString().slice(0, 19).replace("T", " "),
        `${buildStateWord(build.state)}${build.endedAtMs === 0 && build.step !== "" ? ` (${build.step})` : ""}`,
        build.commit.slice(0, 12) || build.ref || "-",
        build.service === "" ? build.repository : `${build.service} ${build.version}`,
        build.reason,
      ]);
      if (rows.length === 0)
        console.error('Nothing was built yet: "rouse register --repo URL --ref REF" does.');
      else
        for (const line of table(["BUILD", "QUEUED", "STATE", "COMMIT", "SERVICE", "REASON"], rows))
          console.log(line);
    });
  builds
    .command("log")
    .description("print the log of a build")
    .argument("<id>", "of the build")
    .option("-f, --follow", "until the build ends; the exit code is then that of the build")
    .option("--json", "print JSON lines")
    .option(...REGISTRY)
    .action(async (id: string, flags: Flags & { follow?: true; json?: true }) => {
      if (flags.follow === true && flags.json !== true) await followBuild(registryOf(flags), id);
      else await printBuildLog(registryOf(flags), id, flags.follow === true, flags.json === true);
    });
  builds
    .command("cancel")
    .description("end a build that waits or runs")
    .argument("<id>", "of the build")
    .option(...REGISTRY)
    .action(async (id: string, flags: Flags) => {
      await withClient(BuildsClient, registryOf(flags), (client) =>
        unary(client, "cancelBuild", { id }, { deadlineMs: 60_000 }),
      );
      console.log(`build ${id} is cancelled`);
    });
}
