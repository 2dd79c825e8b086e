import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startMesh, type TestMesh } from "../test/support/mesh.ts";
import { makeProbe, type Probe, type ProbeOptions } from "../test/support/probe.ts";

/** A mesh with registered versions of the probe service, for measurements. */
export interface Subject extends AsyncDisposable {
  readonly mesh: TestMesh;
  readonly probes: readonly Probe[];
  /** File with the contract's descriptor set, for ghz. */
  readonly protoset: string;
}

export const SERVICE = "probe.v1.ProbeService";

/** Starts a mesh of one host and registers a version for each of the options. */
export async function startSubject(
  runtime: "process" | "docker" | "in-process",
  versions: readonly ProbeOptions[],
  args: readonly string[] = [],
): Promise<Subject> {
  const mesh = await startMesh({ runtime, args });
  const probes: Probe[] = [];
  for (const options of versions) {
    const probe = await makeProbe(options);
    probes.push(probe);
    await probe.register(mesh.data);
  }
  const protoset = join(mesh.data, "probe.protoset");
  const dir = probes[0]?.dir ?? "";
  const manifest: unknown = JSON.parse(await readFile(join(dir, "gen", `${SERVICE}.manifest.json`), "utf8"));
  const { descriptorSet } = manifest as { descriptorSet: string };
  await writeFile(protoset, Buffer.from(descriptorSet, "base64"));
  return {
    mesh,
    probes,
    protoset,
    async [Symbol.asyncDispose]() {
      await mesh.close();
      for (const probe of probes) await probe.remove();
    },
  };
}
