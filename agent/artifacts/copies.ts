import { z } from "zod";
import { readJson, writeJson } from "../json-file.ts";

const schema = z.object({ digests: z.array(z.string()) });

/** Digests of the bundles that this host keeps for others, on disk, so that a restarted agent goes on to keep them. */
export class Copies {
  readonly #file: string;
  #digests: ReadonlySet<string>;

  constructor(file: string) {
    this.#file = file;
    this.#digests = new Set(readJson(file, schema)?.digests);
  }

  get digests(): ReadonlySet<string> {
    return this.#digests;
  }

  /** Names all of them. @returns those that were named before and are no more. */
  set(digests: readonly string[]): readonly string[] {
    const before = this.#digests;
    this.#digests = new Set(digests);
    writeJson(this.#file, { digests });
    return [...before].filter((digest) => !this.#digests.has(digest));
  }
}
