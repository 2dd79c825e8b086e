import { cp, mkdtemp, rm, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bundle } from "../build/bundle.ts";
import { ImageStore } from "../runtimes/docker/image-store.ts";
import { findEngine } from "../testing/docker.ts";
import { Images } from "./images.ts";

const source = join(import.meta.dirname, "../testing/service");
const { engine, missing } = await findEngine();
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rouse-test-images-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Bundles the test service from a place and a time of its own. */
async function bundleAnew(name: string): Promise<{ file: string; digest: string }> {
  // Within the repository's test folder, from where its imports are found.
  const place = join(import.meta.dirname, "../testing", name);
  try {
    await cp(source, place, { recursive: true, filter: (path) => !path.includes("/dist") });
    await utimes(join(place, "data/words.txt"), new Date(), new Date(Math.random() * 1e12));
    const made = await bundle(place);
    const file = join(folder, `${name}.tar`);
    await cp(made.file, file);
    return { file, digest: made.digest };
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

/** The image of a bundle, with nothing kept from before. */
async function imageAnew(file: string, digest: string) {
  const layers = await mkdtemp(join(folder, "layers-"));
  return { images: new Images(layers), image: await new Images(layers).service(file, digest) };
}

test("the same source gives the same bundle and image, wherever and whenever it is built", async () => {
  const [one, two] = [await bundleAnew("service-one"), await bundleAnew("service-two")];
  expect(two.digest).toBe(one.digest);
  const first = await imageAnew(one.file, one.digest);
  const second = await imageAnew(two.file, two.digest);
  expect(second.image.id).toBe(first.image.id);
  expect(second.image.layers.map(({ digest }) => digest)).toEqual(
    first.image.layers.map(({ digest }) => digest),
  );
});

describe.skipIf(missing !== "")(`in an engine${missing && ` (skipped: ${missing})`}`, () => {
  test("an image has the id that was foretold, with and without its base sent along", async () => {
    const { file, digest } = await bundleAnew("service-three");
    const { images, image } = await imageAnew(file, digest);
    const store = new ImageStore(engine, images);
    const tags = ["rouse-test/reproducible:whole", "rouse-test/reproducible:thin"];
    try {
      const base = await store.base();
      const [whole = "", thin = ""] = tags;
      const ids = [
        await store.load({ ...image, tag: whole }),
        await store.load({ ...image, tag: thin }, new Set(base.layers.map((layer) => layer.digest))),
      ];
      expect(ids[1]).toBe(ids[0]);
      // Engines with the containerd store name an image by its manifest, which the archive does not hold.
      const { Driver } = await engine.docker.info();
      if (Driver === "overlay2") expect(ids[0]).toBe(image.id);
    } finally {
      for (const tag of tags)
        await engine.docker
          .getImage(tag)
          .remove()
          .catch(() => {});
    }
  });
});
