import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { extname, join, relative, sep } from "node:path";

/** One file of the built site, in all encodings that were made for it. */
export interface SiteFile {
  readonly type: string;
  readonly body: Buffer;
  /** Of the content; the same in every encoding but for its suffix. */
  readonly etag: string;
  /** Its name holds a hash of its content: browsers may keep it for good. */
  readonly immutable: boolean;
  readonly encodings: ReadonlyMap<"br" | "gzip", Buffer>;
}

/** The files of the built site by their path, such as "/index.html". */
export type Site = ReadonlyMap<string, SiteFile>;

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".json": "application/json",
  ".png": "image/png",
  ".txt": "text/plain; charset=utf-8",
};
const suffixes = { br: ".br", gzip: ".gz" } as const;

/** Reads the site on first use, and again after it was built anew. */
export class SiteFolder {
  readonly #folder: string;
  #built = 0;
  #site: Promise<Site> | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The site as it was built last; undefined while there is none. */
  async read(): Promise<Site | undefined> {
    const page = await modified(join(this.#folder, "index.html"));
    if (page === 0) return undefined;
    // The set-up writes it last, after the encodings.
    const built = page + (await modified(join(this.#folder, ".inputs")));
    if (built !== this.#built || this.#site === undefined) {
      this.#built = built;
      const site = readSite(this.#folder);
      this.#site = site;
      // A build that is under way: the next request reads again.
      site.catch(() => {
        if (this.#site === site) this.#site = undefined;
      });
    }
    return this.#site;
  }
}

/** When a file was written, ms; 0: it is not there. */
function modified(file: string): Promise<number> {
  return stat(file).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
}

async function readSite(folder: string): Promise<Site> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const contents = new Map<string, Buffer>();
  for (const entry of entries) {
    if (!entry.isFile() || entry.name.startsWith(".")) continue;
    const file = join(entry.parentPath, entry.name);
    contents.set(`/${relative(folder, file).split(sep).join("/")}`, await readFile(file));
  }
  const site = new Map<string, SiteFile>();
  for (const [path, body] of contents) {
    const type = types[extname(path)];
    if (type === undefined) continue;
    const encodings = new Map<"br" | "gzip", Buffer>();
    for (const name of ["br", "gzip"] as const) {
      const encoded = contents.get(path + suffixes[name]);
      if (encoded !== undefined) encodings.set(name, encoded);
    }
    const etag = createHash("sha256").update(body).digest("base64url").slice(0, 22);
    site.set(path, { type, body, etag, immutable: path.startsWith("/assets/"), encodings });
  }
  return site;
}
