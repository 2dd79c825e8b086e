import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { RegistryClient } from "#proto/rouse/registry/v1/registry.ts";
import { RouseError } from "../../sdk/errors.ts";
import { unary } from "../../sdk/grpc.ts";
import { readMesh, withClient } from "../connect.ts";
import { parseCount } from "../flags.ts";

/** Longer than `rouse stop` lets calls finish (30 s) and instances end (10 s) by default; s. */
const DEFAULT_WAIT_S = 60;
const POLL_MS = 250;

/** `rouse unregister`: takes a version out of the catalog. */
export function addUnregister(program: Command): void {
  program
    .command("unregister")
    .description("take a version out of the catalog; calls for it are NOT_FOUND from then on")
    .argument("<service>", "full name, such as genome.v1.GenomeService")
    .argument("<version>", "exact version")
    .option(
      "--wait <seconds>",
      "how long the instances of a stopped version may end, and what was used just now be counted",
      parseCount,
      DEFAULT_WAIT_S,
    )
    .option("--registry <host:port>", "the registry, when it is not that of the mesh on this host")
    .action(async (service: string, version: string, flags: { registry?: string; wait: number }) => {
      await withClient(RegistryClient, flags.registry ?? readMesh().registry, (client) =>
        remove(client, service, version, flags.wait),
      );
      console.log(`unregistered ${service} ${version}; its bundle stays in the registry's folder`);
    });
}

/** Removes it, after the instances that `rouse stop` has told to end are gone. */
async function remove(
  client: RegistryClient,
  service: string,
  version: string,
  waitS: number,
): Promise<void> {
  const until = performance.now() + waitS * 1_000;
  for (let waiting = false; ; waiting = true) {
    try {
      await unary(client, "removeVersion", { service, version });
      return;
    } catch (error) {
      const { reason, metadata } = RouseError.from(error);
      const stopping = reason === "VERSION_STOPPING";
      const uncounted = reason === "VERSION_HAS_RUNS" && metadata.open === "0";
      if (!(stopping || uncounted) || performance.now() >= until) throw error;
      if (!waiting) {
        const why = stopping
          ? `is stopped; waiting at most ${waitS} s for its instances to end (${metadata.instances})`
          : `is used just now; waiting at most ${waitS} s until its open work is counted`;
        console.error(`${service} ${version} ${why} …`);
      }
      await sleep(POLL_MS);
    }
  }
}
