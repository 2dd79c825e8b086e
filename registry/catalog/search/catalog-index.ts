import type { Logger } from "pino";
import { aboutOfManifest } from "../../descriptions/record.ts";
import type { MeshFollower } from "../../follower.ts";
import type { MeshState, ServiceState, VersionManifest } from "../../state.ts";
import type { Abouts } from "../abouts.ts";
import type { ContractStore } from "../contract/store.ts";
import { listedVersions, shownVersion } from "../view.ts";
import { bounded, type FieldName, type Piece } from "./document.ts";
import { SearchIndex } from "./index.ts";
import { contractPieces, describedPieces } from "./pieces.ts";

/** Contracts that are read from Consul at the same time. */
const READERS = 8;
/** So few services that wait for their contract are waited for by a search. */
const FEW = 100;
/** How long a search waits for them, ms. */
const PATIENCE_MS = 1_000;
/** Indexing lets calls through after so long at a stretch, ms. */
const SLICE_MS = 10;
/** How long a contract that could not be read is let alone, ms. */
const RETRY_MS = 5_000;

/** Fields whose pieces come from contracts alone. */
const CONTRACT_FIELDS: ReadonlySet<FieldName> = new Set(["methods", "messages", "fields", "comments"]);

const REBUILD_MS = 30_000;

/** What a service's document was made of: while this is the same, the document is. */
interface Basis {
  readonly manifest: VersionManifest;
  readonly about: unknown;
  readonly versions: string;
}

export interface CatalogIndexOptions {
  readonly mesh: MeshFollower;
  readonly abouts: Abouts;
  readonly contracts: ContractStore;
  readonly log: Logger;
  /** How long a broken index is left as it is before it is made anew, ms. Default 30,000. */
  readonly rebuildMs?: number;
}

/**
 * The search index of the catalog, kept as Consul changes: one document per service, made of its default (else newest) listed
 * version, and of the names of its others. Names are found at once; contracts are read in the background, each once.
 */
export class CatalogIndex {
  #index = new SearchIndex();
  readonly #options: CatalogIndexOptions;
  readonly #bases = new Map<string, Basis>();
  /** What contracts say that were just read, until it is indexed. */
  readonly #fresh = new WeakMap<VersionManifest, readonly Piece[]>();
  /** Versions whose contract the index has. */
  #read = new WeakSet<VersionManifest>();
  /** Services to look at again. */
  readonly #dirty = new Set<string>();
  /** Services whose contract is to be read. */
  readonly #wanted = new Set<string>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #unsubscribe: () => void;
  #seen: MeshState["services"] = new Map();
  #readers = 0;
  #pumping = false;
  #broken = false;
  #described = false;
  #followed = false;
  #beganAt: number | undefined = performance.now();
  #closed = false;
  #settled: (() => void)[] = [];

  constructor(options: CatalogIndexOptions) {
    this.#options = options;
    this.#unsubscribe = options.mesh.onChange((state) => this.#follow(state));
    // So that nothing is indexed twice at the start.
    options.abouts.ready.then(
      () => {
        this.#described = true;
        this.#pump();
      },
      () => undefined,
    );
  }

  get index(): SearchIndex {
    return this.#index;
  }

  /** Descriptions of these services have changed. */
  touch(services: Iterable<string>): void {
    for (const name of services) this.#dirty.add(name);
    this.#pump();
  }

  /** Resolves when all that is known is indexed, contracts too. */
  async settled(): Promise<void> {
    await this.#options.abouts.ready;
    if (this.#isSettled()) return;
    await new Promise<void>((resolve) => this.#settled.push(resolve));
  }

  /** Resolves when what has just been registered can be found; at the start, when there is much to read, at once. */
  async caughtUp(): Promise<void> {
    const waiting = this.#wanted.size + this.#dirty.size + this.#readers;
    if (waiting === 0 || waiting > FEW || this.#broken) return;
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, PATIENCE_MS);
    await Promise.race([this.settled(), late.promise]);
    clearTimeout(timer);
  }

  close(): void {
    this.#closed = true;
    this.#unsubscribe();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#wanted.clear();
    this.#dirty.clear();
    this.#index.close();
  }

  #follow({ services }: MeshState): void {
    const before = this.#seen;
    this.#seen = services;
    this.#followed = true;
    for (const [name, service] of services) {
      if (before.get(name) !== service) this.#dirty.add(name);
    }
    for (const name of before.keys()) {
      if (!services.has(name)) this.#dirty.add(name);
    }
    this.#pump();
  }

  /** Looks at dirty services: a few at once, many with pauses for the calls that wait. */
  #pump(): void {
    if (!this.#described || this.#pumping || this.#closed) return;
    this.#slice();
    this.#readNext();
    if (this.#dirty.size === 0 || this.#broken) return;
    this.#pumping = true;
    setImmediate(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  #slice(): void {
    const until = performance.now() + SLICE_MS;
    if (this.#broken || this.#dirty.size === 0) return;
    try {
      this.#index.begin();
      for (const name of this.#dirty) {
        this.#dirty.delete(name);
        this.#update(name, this.#seen.get(name));
        if (performance.now() >= until) return;
      }
    } catch (err) {
      this.#rebuildLater(err);
    }
  }

  /** The disk of the temporary file is full, or the like: what is indexed answers on, and is made anew after a pause. */
  #rebuildLater(err: unknown): void {
    this.#options.log.error({ err }, "The search index cannot be written; it is made anew in a while");
    this.#broken = true;
    this.#later(this.#options.rebuildMs ?? REBUILD_MS, () => {
      const before = this.#index;
      this.#index = new SearchIndex();
      try {
        before.close();
      } catch {
        // What broke it may have closed it.
      }
      this.#bases.clear();
      this.#read = new WeakSet();
      this.#broken = false;
      for (const name of this.#seen.keys()) this.#dirty.add(name);
      this.#pump();
    });
  }

  #later(ms: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (!this.#closed) work();
    }, ms).unref();
    this.#timers.add(timer);
  }

  #isSettled(): boolean {
    return this.#readers === 0 && this.#wanted.size === 0 && this.#dirty.size === 0;
  }

  /** Indexes a service anew if what its document is made of has changed. */
  #update(name: string, service: ServiceState | undefined): void {
    const version = service === undefined ? undefined : shownVersion(name, service);
    const manifest = version === undefined ? undefined : service?.versions.get(version)?.manifest;
    if (service === undefined || version === undefined || manifest === undefined) {
      this.#bases.delete(name);
      this.#wanted.delete(name);
      this.#index.remove(name);
      return;
    }
    const versions = [...listedVersions(service), ...service.tags.keys()].join(" ");
    const basis: Basis = { manifest, about: this.#options.abouts.get(name, version), versions };
    const known = this.#bases.get(name);
    const same =
      known?.manifest === basis.manifest && known.about === basis.about && known.versions === basis.versions;
    if (same && !this.#fresh.has(manifest)) return;
    this.#bases.set(name, basis);
    const contract = this.#contractOf(name, manifest, known);
    if (contract === undefined) {
      // What is indexed of the version before stays until this one's contract is here.
      this.#index.announce(name);
      this.#wanted.add(name);
    } else this.#put(name, basis, contract);
  }

  #put(name: string, { manifest, versions }: Basis, contract: readonly Piece[]): void {
    const record = this.#options.abouts.get(name, manifest.version);
    const pieces: Piece[] = [
      ...describedPieces(name, manifest, record?.about ?? aboutOfManifest(manifest)),
      { field: "versions", where: "versions and tags", text: versions },
      ...contract,
    ];
    this.#index.put({ id: name, pieces: bounded(pieces) });
  }

  /** What is known of the contract: just read, or indexed before. */
  #contractOf(
    name: string,
    manifest: VersionManifest,
    known: Basis | undefined,
  ): readonly Piece[] | undefined {
    const fresh = this.#fresh.get(manifest);
    if (fresh !== undefined) {
      this.#fresh.delete(manifest);
      this.#read.add(manifest);
      return fresh;
    }
    if (!this.#read.has(manifest) || known?.manifest !== manifest) return undefined;
    return this.#index.pieces(name).filter(({ field }) => CONTRACT_FIELDS.has(field));
  }

  /** Reads wanted contracts, some at a time. */
  #readNext(): void {
    while (!this.#closed && this.#readers < READERS) {
      const [name] = this.#wanted;
      if (name === undefined) break;
      this.#wanted.delete(name);
      this.#readers++;
      void this.#readOne(name).finally(() => {
        this.#readers--;
        this.#pump();
      });
    }
    if (!this.#isSettled()) return;
    try {
      this.#index.commit();
    } catch (err) {
      this.#rebuildLater(err);
      return;
    }
    this.#report();
    for (const resolve of this.#settled.splice(0)) resolve();
  }

  /** Says once that everything of the start can be found; some thousand services take their time. */
  #report(): void {
    if (this.#beganAt === undefined || !this.#described || !this.#followed) return;
    const tookMs = Math.round(performance.now() - this.#beganAt);
    this.#beganAt = undefined;
    this.#options.log.info({ services: this.#index.size, tookMs }, "The search index has all contracts");
  }

  async #readOne(name: string): Promise<void> {
    const manifest = this.#bases.get(name)?.manifest;
    if (manifest === undefined) return;
    try {
      const contract = await this.#options.contracts.read(manifest);
      if (this.#bases.get(name)?.manifest !== manifest) return;
      this.#fresh.set(manifest, contractPieces(contract));
      this.#dirty.add(name);
    } catch (err) {
      if (this.#closed) return;
      this.#options.log.warn(
        { err, service: name },
        "A contract could not be read for search; it is tried again",
      );
      this.#later(RETRY_MS, () => {
        if (this.#bases.get(name)?.manifest !== manifest) return;
        this.#wanted.add(name);
        this.#readNext();
      });
    }
  }
}
