import { RegistryClient, type Service, State, type Version } from "#proto/rouse/registry/v1/registry.ts";
import { resolveSpec } from "../registry/spec.ts";
import { unary } from "../sdk/grpc.ts";
import { withClient } from "./connect.ts";

/** What the registry tells of a version now, and whether calls without a version reach it. */
export async function versionState(
  registry: string,
  service: string,
  version: string,
): Promise<{ version: Version | undefined; isDefault: boolean }> {
  const { services } = await withClient(RegistryClient, registry, (client) =>
    unary(client, "listServices", { service }),
  );
  const found = services[0];
  return {
    version: found?.versions.find((one) => one.version === version),
    isDefault: found !== undefined && defaultVersion(found) === version,
  };
}

/** Where calls without a version go; undefined when nowhere. */
export function defaultVersion({ name, versions, tags }: Service): string | undefined {
  const known = versions.map(({ version }) => version);
  const barred = versions.filter(({ state }) => state === State.PENDING).map(({ version }) => version);
  const byName = Object.fromEntries(tags.map((tag) => [tag.name, tag.versions]));
  try {
    return resolveSpec({ service: name, versions: known, tags: byName, barred }, "");
  } catch {
    return undefined;
  }
}

const WORDS: Readonly<Record<State, string>> = {
  [State.UNSPECIFIED]: "unknown",
  [State.COLD]: "cold",
  [State.STANDBY]: "standby",
  [State.STARTING]: "starting",
  [State.WARM]: "warm",
  [State.FAILED]: "failed",
  [State.STOPPED]: "stopped",
  [State.PENDING]: "pending",
  [State.CRASH_LOOPING]: "crash-looping",
};

/** One word for a table. */
export function shortState(version: Version): string {
  return WORDS[version.state];
}

/** A few words for a sentence. */
export function stateWord(version: Version | undefined): string {
  if (version === undefined) return "not shown yet";
  if (version.state === State.COLD) return "cold; the first call starts it";
  if (version.state === State.STANDBY) return "standby; the first call thaws it";
  if (version.state === State.WARM)
    return `warm; ${version.instances.filter(({ standby }) => !standby).length} running`;
  return version.reason === "" ? WORDS[version.state] : `${WORDS[version.state]}: ${version.reason}`;
}
