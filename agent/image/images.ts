import { createReadStream, existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { extract, pack } from "tar-stream";
import { RouseError } from "../../sdk/errors.ts";
import type { TarEntry } from "../build/tar.ts";
import { hashedFile } from "../build/tar.ts";
import { describeImage, type Image } from "./archive.ts";
import { type Layer, LayerCache } from "./layers.ts";
import { findProgram, programFiles } from "./program-files.ts";

/** Who instances in containers are: nobody of the host's. */
export const containerUser = "65532:65532";

/** Name of the images that are made of bundles; the tag is the bundle's digest. */
export const bundleRepository = "rouse/bundle";

const text = (content: string) => new TextEncoder().encode(content);

const certificates = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/** What every image needs beside its program. */
function systemFiles(): TarEntry[] {
  const bundle = certificates.find((path) => existsSync(path));
  return [
    { name: "app/" },
    { name: "run/rouse/" },
    { name: "tmp/", mode: 0o1777 },
    { name: "etc/passwd", content: text("root:x:0:0::/:/\nrouse:x:65532:65532::/tmp:/\n") },
    { name: "etc/group", content: text("root:x:0:\nrouse:x:65532:\n") },
    { name: "etc/nsswitch.conf", content: text("hosts: files dns\n") },
    ...(bundle === undefined
      ? []
      : [{ name: "etc/ssl/certs/ca-certificates.crt", content: { file: bundle } }]),
  ];
}

/**
 * Makes images without Dockerfile and without registry: of the Node that runs this program, its libraries, and a
 * bundle. The same Node and bundle give the same image id.
 */
export class Images {
  readonly #folder: string;
  readonly #cache: LayerCache;

  /** @param folder for layers. */
  constructor(folder: string) {
    this.#folder = folder;
    this.#cache = new LayerCache(folder);
  }

  /** Node and its libraries alone; its layer is the first one of every service's image. */
  async base(): Promise<Image> {
    const layer = await this.#node();
    return describeImage(`rouse/node:${layer.digest.slice(0, 32)}`, [layer], {
      Entrypoint: ["/bin/node"],
      User: containerUser,
    });
  }

  /** A service's image: the base, and its bundle in /app. The second layer's file is the caller's to remove. */
  async service(bundleTar: string, bundleDigest: string): Promise<Image> {
    const app = await appLayer(bundleTar, join(this.#folder, `app-${bundleDigest}.layer`));
    return describeImage(`${bundleRepository}:${bundleDigest.slice(0, 32)}`, [await this.#node(), app], {
      Entrypoint: ["/bin/node", "/app/main.mjs"],
      WorkingDir: "/app",
      Env: ["PATH=/bin", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"],
      User: containerUser,
      Labels: { "rouse.bundle": bundleDigest },
    });
  }

  /** The tiny image whose container does nothing but hold a network namespace. */
  async sandbox(): Promise<Image> {
    const sleep = findProgram("sleep");
    if (sleep === undefined)
      throw new RouseError(
        "FAILED_PRECONDITION",
        'There is no program "sleep" on PATH to make the sandbox of.',
        {
          reason: "SANDBOX_UNMAKEABLE",
        },
      );
    const layer = await this.#cache.layer("sandbox", programFiles(sleep, "sleep"));
    return describeImage(`rouse/sandbox:${layer.digest.slice(0, 32)}`, [layer], {
      Entrypoint: ["/bin/sleep", "infinity"],
      User: containerUser,
    });
  }

  #node(): Promise<Layer> {
    return this.#cache.layer("node", [...systemFiles(), ...programFiles(process.execPath, "node")]);
  }
}

/** Moves a bundle's files below /app. */
async function appLayer(bundleTar: string, file: string): Promise<Layer> {
  const archive = pack();
  const entries = extract();
  const moving = (async () => {
    const reading = pipeline(createReadStream(bundleTar), entries);
    for await (const entry of entries) {
      await pipeline(entry, archive.entry({ ...entry.header, name: `app/${entry.header.name}` }));
    }
    await reading;
    archive.finalize();
  })();
  moving.catch((error: Error) => archive.destroy(error));
  try {
    const { digest } = await hashedFile(archive, file);
    return { file, digest };
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  }
}
