import type { Command } from "commander";
import type { About } from "#proto/rouse/catalog/v1/catalog.ts";
import { RegistryClient, type Revision } from "#proto/rouse/registry/v1/registry.ts";
import { RouseError } from "../../sdk/errors.ts";
import { unary } from "../../sdk/grpc.ts";
import { readMesh, withClient } from "../connect.ts";
import { aboutLines, applySettings, editAbout, parseAboutFile } from "../describe.ts";
import { collect } from "../flags.ts";
import { defaultVersion } from "../version-state.ts";

interface DescribeFlags {
  edit?: true;
  file?: string;
  set: string[];
  revisions?: true;
  json?: true;
  registry?: string;
}

/** `rouse describe`: shows and changes what people read of a version. */
export function addDescribe(program: Command): void {
  program
    .command("describe")
    .description("show the description of a version, or change it; every revision is kept")
    .argument("<service>", "full name, such as genome.v1.GenomeService")
    .argument("[version]", "exact version; default: the one that calls without a version get")
    .option("--edit", "change it in your editor (VISUAL or EDITOR)")
    .option("--file <about.json>", "replace it by this file, of the shape that --json prints")
    .option(
      "--set <field=value>",
      "change a field; a list as JSON or with commas; repeatable",
      collect,
      [] as string[],
    )
    .option("--revisions", "list all revisions, newest first")
    .option("--json", "print JSON")
    .option("--registry <host:port>", "the registry, when it is not that of the mesh on this host")
    .action(async (service: string, given: string | undefined, flags: DescribeFlags) => {
      const registry = flags.registry ?? readMesh().registry;
      await withClient(RegistryClient, registry, async (client) => {
        const version = given ?? (await versionOf(client, service));
        const { revisions } = await unary(client, "listRevisions", { service, version });
        const [latest] = revisions;
        if (latest?.about === undefined)
          throw new RouseError("INTERNAL", "The registry sent no description.");
        if (flags.revisions === true) return showRevisions(revisions, flags.json === true);
        const send = async (about: About) => {
          const { revision } = await unary(client, "updateDescription", {
            service,
            version,
            revision: latest.revision,
            about,
          });
          console.log(
            revision === latest.revision
              ? `${service} ${version} is described so already (revision ${revision})`
              : `${service} ${version} is described anew (revision ${revision})`,
          );
        };
        if (flags.edit === true) return editAbout(latest.about, send);
        if (flags.file !== undefined) return send(parseAboutFile(flags.file));
        if (flags.set.length > 0) return send(applySettings(latest.about, flags.set));
        if (flags.json === true) console.log(JSON.stringify(latest.about, null, 2));
        else for (const line of aboutLines(service, version, latest)) console.log(line);
      });
    });
}

async function versionOf(client: RegistryClient, service: string): Promise<string> {
  const { services } = await unary(client, "listServices", { service });
  const [found] = services;
  const version = found === undefined ? undefined : (defaultVersion(found) ?? found.versions[0]?.version);
  if (version !== undefined) return version;
  throw new RouseError("NOT_FOUND", `${service} has no version.`, { reason: "VERSION_UNKNOWN" });
}

function showRevisions(revisions: readonly Revision[], json: boolean): void {
  if (json) console.log(JSON.stringify(revisions, null, 2));
  else
    for (const { revision, atMs, by, about } of revisions)
      console.log(`${revision}  ${new Date(atMs).toISOString()}  ${by}  ${about?.summary ?? ""}`);
}
