import type { Command } from "commander";
import { RegistryClient, type WeightedVersion } from "#proto/rouse/registry/v1/registry.ts";
import { RouseError } from "../../sdk/errors.ts";
import { unary } from "../../sdk/grpc.ts";
import { readMesh, withClient } from "../connect.ts";

/** `rouse tag`: points a tag at a version, or at several by weight. */
export function addTag(program: Command): void {
  program
    .command("tag")
    .description("point a tag at a version, or split it between several by weight")
    .argument("<service>", "full name, such as genome.v1.GenomeService")
    .argument("<tag>", 'such as "release", which calls without a version follow')
    .argument("[versions...]", "VERSION or VERSION=WEIGHT, such as 1.0.0=95 2.0.0=5")
    .option("--remove", "take the tag away")
    .option("--registry <host:port>", "the registry, when it is not that of the mesh on this host")
    .action(
      async (service: string, tag: string, texts: string[], flags: { remove?: true; registry?: string }) => {
        if ((flags.remove === true) === texts.length > 0) {
          throw invalid(`Name the versions of the tag ${tag}, or take it away by --remove.`);
        }
        const versions = texts.map(parseVersion);
        const { previous } = await withClient(
          RegistryClient,
          flags.registry ?? readMesh().registry,
          (client) => unary(client, "setTag", { service, tag: { name: tag, versions } }),
        );
        const now = versions.length === 0 ? "is gone" : `names ${shares(versions)}`;
        const before =
          previous.length === 0 ? "it was not there before" : `before it named ${shares(previous)}`;
        console.log(`${tag} of ${service} ${now}; ${before}`);
        const back = previous.length === 0 ? "--remove" : previous.map(written).join(" ");
        if (versions.length + previous.length > 0)
          console.log(`put it back: rouse tag ${service} ${tag} ${back}`);
      },
    );
}

function parseVersion(text: string): WeightedVersion {
  const [version = "", weight, ...more] = text.split("=");
  const number = weight === undefined ? 1 : Number(weight);
  if (version !== "" && more.length === 0 && Number.isInteger(number) && number >= 1 && number <= 10_000) {
    return { version, weight: number };
  }
  throw invalid(`"${text}" is not VERSION or VERSION=WEIGHT with a whole weight from 1 to 10000.`);
}

function written({ version, weight }: WeightedVersion, _: number, all: readonly WeightedVersion[]): string {
  return all.length === 1 ? version : `${version}=${weight}`;
}

function shares(versions: readonly WeightedVersion[]): string {
  if (versions.length === 1) return versions[0]?.version ?? "";
  const sum = versions.reduce((total, { weight }) => total + weight, 0);
  return versions
    .map(({ version, weight }) => `${version} (${Number(((100 * weight) / sum).toPrecision(3))} %)`)
    .join(", ");
}

function invalid(message: string): RouseError {
  return new RouseError("INVALID_ARGUMENT", message, { reason: "FLAG_INVALID" });
}
