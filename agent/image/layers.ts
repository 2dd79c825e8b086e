import { createHash } from "node:crypto";
import { existsSync, readdirSync, renameSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type TarEntry, writeTar } from "../build/tar.ts";

/** A layer of an image on disk. */
export interface Layer {
  readonly file: string;
  /** Hexadecimal SHA-256 of the tar file: the layer's diff id. */
  readonly digest: string;
}

/** Layers that seldom change, kept as tar files so that their 120 MB are not packed and hashed each time. */
export class LayerCache {
  readonly #folder: string;
  readonly #making = new Map<string, Promise<Layer>>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The layer of these entries; made once for each combination of file names, sizes and times. */
  layer(name: string, entries: readonly TarEntry[]): Promise<Layer> {
    const prefix = `${name}-${fingerprint(entries)}-`;
    const making = this.#making.get(prefix) ?? this.#find(prefix) ?? this.#make(name, prefix, entries);
    this.#making.set(prefix, making);
    making.catch(() => this.#making.delete(prefix));
    return making;
  }

  #find(prefix: string): Promise<Layer> | undefined {
    const found = readdirSync(this.#folder).find((file) => file.startsWith(prefix) && file.endsWith(".tar"));
    if (found === undefined) return undefined;
    const digest = found.slice(prefix.length, -".tar".length);
    return Promise.resolve({ file: join(this.#folder, found), digest });
  }

  async #make(name: string, prefix: string, entries: readonly TarEntry[]): Promise<Layer> {
    const temporary = join(this.#folder, `${prefix}making.part`);
    const { digest } = await writeTar(temporary, entries);
    const file = join(this.#folder, `${prefix}${digest}.tar`);
    renameSync(temporary, file);
    for (const old of readdirSync(this.#folder)) {
      const stale = old.startsWith(`${name}-`) && !old.startsWith(prefix);
      if (stale && existsSync(join(this.#folder, old))) await rm(join(this.#folder, old));
    }
    return { file, digest };
  }
}

function fingerprint(entries: readonly TarEntry[]): string {
  const hash = createHash("sha256");
  for (const { name, content, mode, link } of entries) {
    hash.update(JSON.stringify([name, mode, link]));
    if (content instanceof Uint8Array) hash.update(content);
    else if (content !== undefined) {
      const { size, mtimeMs } = statSync(content.file);
      hash.update(JSON.stringify([content.file, size, mtimeMs]));
    }
  }
  return hash.digest("hex").slice(0, 16);
}
