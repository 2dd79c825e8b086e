import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TarEntry } from "../../build/tar.ts";
import { describeImage } from "../../image/archive.ts";
import { Images } from "../../image/images.ts";
import { LayerCache } from "../../image/layers.ts";
import { findProgram, programFiles } from "../../image/program-files.ts";
import type { Engine } from "../../runtimes/docker/engine.ts";
import { ImageStore } from "../../runtimes/docker/image-store.ts";

/** Loads an image that knows nothing of Rouse, with programs to gain powers by. @returns what removes it. */
export async function loadForeignJob(engine: Engine, tag: string): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), "rouse-test-layers-"));
  try {
    const images = new Images(folder);
    const base = await images.base();
    const script = { name: "app/main.mjs", content: { file: join(import.meta.dirname, "foreign.mjs") } };
    const entries = [
      script,
      ...program("id", 0o4755),
      ...program("unshare"),
      ...program("mount", 0o4755),
      ...program("perl"),
    ];
    const unique = [...new Map(entries.map((entry) => [entry.name, entry])).values()];
    const layer = await new LayerCache(folder).layer("foreign", unique);
    const image = describeImage(tag, [...base.layers, layer], {
      Entrypoint: ["/bin/node", "/app/main.mjs"],
      User: "root",
      Volumes: { "/data": {} },
    });
    await new ImageStore(engine, images).load(image);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return async () => {
    await engine.docker.getImage(tag).remove({ force: true });
  };
}

function program(name: string, mode = 0o755): TarEntry[] {
  const path = findProgram(name);
  if (path === undefined) throw new Error(`there is no program ${name}`);
  const own = `bin/${name}`;
  return programFiles(path, name).map((entry) => (entry.name === own ? { ...entry, mode } : entry));
}
