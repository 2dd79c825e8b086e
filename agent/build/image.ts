import { mkdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { Images } from "../image/images.ts";
import { Engine } from "../runtimes/docker/engine.ts";
import { ImageStore } from "../runtimes/docker/image-store.ts";
import type { Bundle } from "./bundle.ts";

/** An image that the engine has now. */
export interface BuiltImage {
  readonly tag: string;
  /** "sha256:…" */
  readonly id: string;
  /** Whose engine. */
  readonly engine: string;
}

/**
 * Makes the image of a bundle and loads it into the engine. The agent does so by itself when it starts a version; this
 * is for looking at it, and for taking it elsewhere.
 *
 * @param tag default: "rouse/bundle:" and the bundle's digest, by which the agent finds it.
 * @throws RouseError UNAVAILABLE ENGINE_UNAVAILABLE, FAILED_PRECONDITION IMAGE_NEEDS_LINUX.
 */
export async function buildImage(bundle: Bundle, tag?: string): Promise<BuiltImage> {
  const engine = new Engine(undefined);
  await engine.greet();
  const layers = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "rouse", "layers");
  mkdirSync(layers, { recursive: true });
  const images = new Images(layers);
  const store = new ImageStore(engine, images);
  const base = await store.base();
  const described = await images.service(bundle.file, bundle.digest);
  const image = { ...described, tag: tag ?? described.tag };
  try {
    const id = await store.loadOnBase(image, new Set(base.layers.map(({ digest }) => digest)));
    return { tag: image.tag, id, engine: engine.where };
  } finally {
    for (const layer of image.layers.slice(1)) await rm(layer.file, { force: true });
  }
}
