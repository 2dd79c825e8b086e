import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundle } from "../build/bundle.ts";
import { describeImage } from "../image/archive.ts";
import { Images } from "../image/images.ts";
import { labels } from "../runtimes/docker/container-options.ts";
import { Engine } from "../runtimes/docker/engine.ts";
import { ImageStore } from "../runtimes/docker/image-store.ts";

/** The engine that answers here, or why there is none. On CI there must be one. */
export async function findEngine(): Promise<{ engine: Engine; missing: string }> {
  const engine = new Engine(undefined);
  try {
    await engine.greet();
    return { engine, missing: "" };
  } catch (error) {
    if (process.env.CI === "true") throw error;
    return { engine, missing: error instanceof Error ? error.message : String(error) };
  }
}

/** Makes an image of agent/testing/foreign, as somebody without our SDK would have one. @returns what removes it. */
export async function loadForeignImage(engine: Engine, tag: string): Promise<() => Promise<void>> {
  const layers = await mkdtemp(join(tmpdir(), "rouse-test-layers-"));
  try {
    const made = await bundle(join(import.meta.dirname, "foreign"));
    const images = new Images(layers);
    const ours = await images.service(made.file, made.digest);
    // Not our user, not our entrypoint's folder: what an image of others may look like.
    const image = describeImage(tag, ours.layers, {
      Entrypoint: ["/bin/node"],
      Cmd: ["/app/main.mjs"],
      User: "",
    });
    await new ImageStore(engine, images).load(image);
  } finally {
    await rm(layers, { recursive: true, force: true });
  }
  return async () => {
    await engine.docker.getImage(tag).remove({ force: true });
  };
}

/** Names of all containers of an agent, running or not. */
export async function containersOf(engine: Engine, owner: string): Promise<string[]> {
  const filters = { label: [`${labels.owner}=${owner}`] };
  const all = await engine.docker.listContainers({ all: true, filters });
  return all.map(({ Names }) => (Names[0] ?? "").slice(1)).sort();
}

/** Removes the image that agents made of a bundle. */
export async function removeBundleImage(engine: Engine, digest: string): Promise<void> {
  await new ImageStore(engine, new Images(tmpdir())).forget(digest);
}
