import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { arch } from "node:os";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { pack } from "tar-stream";
import type { Layer } from "./layers.ts";

/** What an image runs, in the words of the OCI image configuration. */
export interface ImageConfig {
  readonly Entrypoint: readonly string[];
  readonly Cmd?: readonly string[];
  readonly WorkingDir?: string;
  readonly Env?: readonly string[];
  readonly User: string;
  readonly Labels?: Readonly<Record<string, string>>;
  /** Folders for which engines make volumes. */
  readonly Volumes?: Readonly<Record<string, object>>;
}

/** An image before an engine knows it. */
export interface Image {
  /** "name:tag". */
  readonly tag: string;
  readonly layers: readonly Layer[];
  /** The configuration file. Its digest is the image id. */
  readonly config: string;
  /** "sha256:…", as engines with the classic image store name it. */
  readonly id: string;
}

/** Describes an image; the same layers and config give the same id on any machine of the same kind. */
export function describeImage(tag: string, layers: readonly Layer[], config: ImageConfig): Image {
  const created = "1970-01-01T00:00:00Z";
  const text = JSON.stringify({
    architecture: { x64: "amd64", arm64: "arm64" }[arch() as "x64" | "arm64"] ?? arch(),
    os: "linux",
    created,
    config,
    rootfs: { type: "layers", diff_ids: layers.map(({ digest }) => `sha256:${digest}`) },
    history: layers.map(() => ({ created, created_by: "rouse build" })),
  });
  return { tag, layers, config: text, id: `sha256:${sha256(text)}` };
}

/**
 * The docker-archive (`docker save`'s format) of an image, as a stream.
 *
 * @param without digests of layers that the engine has already; it then needs no copy of them.
 */
export function dockerArchive(image: Image, without: ReadonlySet<string> = new Set()): Readable {
  const archive = pack();
  const configName = `${sha256(image.config)}.json`;
  const layerName = ({ digest }: Layer) => `${digest}/layer.tar`;
  const manifest = [
    { Config: configName, RepoTags: [image.tag], Layers: image.layers.map((layer) => layerName(layer)) },
  ];
  const write = async () => {
    archive.entry({ name: configName, mtime: new Date(0) }, image.config);
    for (const layer of image.layers) {
      if (without.has(layer.digest)) continue;
      const { size } = await stat(layer.file);
      const entry = archive.entry({ name: layerName(layer), size, mtime: new Date(0) });
      await pipeline(createReadStream(layer.file), entry);
    }
    archive.entry({ name: "manifest.json", mtime: new Date(0) }, JSON.stringify(manifest));
    archive.finalize();
  };
  write().catch((error: Error) => archive.destroy(error));
  return Readable.from(archive);
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
