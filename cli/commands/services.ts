import type { Command } from "commander";
import { RegistryClient, type Service } from "#proto/rouse/registry/v1/registry.ts";
import { unary } from "../../sdk/grpc.ts";
import { readMesh, withClient } from "../connect.ts";
import { table } from "../table.ts";
import { defaultVersion, shortState } from "../version-state.ts";

/** `rouse services`: what is registered, and how it is. */
export function addServices(program: Command): void {
  program
    .command("services")
    .description("list the registered services, their versions, tags and state")
    .argument("[service]", "only this one")
    .option("--json", "print JSON")
    .option("--registry <host:port>", "the registry, when it is not that of the mesh on this host")
    .action(async (service: string | undefined, flags: { json?: true; registry?: string }) => {
      const { services } = await withClient(RegistryClient, flags.registry ?? readMesh().registry, (client) =>
        unary(client, "listServices", { service: service ?? "" }),
      );
      if (flags.json === true) console.log(JSON.stringify(services, null, 2));
      else if (services.length === 0) console.log('no service is registered; "rouse register" does it');
      else
        for (const line of table(
          ["SERVICE", "VERSION", "STATE", "RUNS", "TAGS", "OWNER", "SUMMARY"],
          services.flatMap(rows),
        ))
          console.log(line);
    });
}

function rows(service: Service): string[][] {
  const byDefault = defaultVersion(service);
  return service.versions.map((version, row) => [
    row === 0 ? service.name : "",
    version.version,
    shortState(version),
    version.instances.length === 0 ? "-" : String(version.instances.length),
    tagsOf(service, version.version, byDefault),
    version.owner,
    version.reason || version.summary,
  ]);
}

/** Tags that name the version, with its share where they are split; "(default)" where calls without a version go untagged. */
function tagsOf({ tags }: Service, version: string, byDefault: string | undefined): string {
  const names = tags.flatMap(({ name, versions }) => {
    const own = versions.find((one) => one.version === version);
    if (own === undefined) return [];
    const sum = versions.reduce((total, { weight }) => total + weight, 0);
    return versions.length === 1
      ? [name]
      : [`${name} ${Number(((100 * own.weight) / sum).toPrecision(3))} %`];
  });
  if (byDefault === version && !tags.some(({ name }) => name === "release")) names.push("(default)");
  return names.join(", ") || "-";
}
