import type { DatabaseSync } from "node:sqlite";

/** Who called what, with what outcome. */
export interface UsageKey {
  readonly service: string;
  readonly version: string;
  readonly method: string;
  /** Service that called, or "outside". */
  readonly caller: string;
  /** gRPC status number. */
  readonly code: number;
}

/** Stands for the names beyond a limit. */
export const OTHER = "other";

/** Most different names that are told apart; more count as {@link OTHER}. */
export interface KeyLimits {
  readonly services: number;
  readonly versionsOfService: number;
  readonly methodsOfService: number;
  readonly callersOfService: number;
  readonly keys: number;
}

export const KEY_LIMITS: KeyLimits = {
  services: 10_000,
  versionsOfService: 200,
  methodsOfService: 500,
  callersOfService: 200,
  keys: 200_000,
};

const LONGEST = 256;

interface Names {
  readonly versions: Set<string>;
  readonly methods: Set<string>;
  readonly callers: Set<string>;
}

/** Numbers the keys, and bounds how many there are, whatever names come. */
export class Keys {
  readonly #database: DatabaseSync;
  readonly #limits: KeyLimits;
  readonly #ids = new Map<string, number>();
  readonly #services = new Map<string, Names>();

  constructor(database: DatabaseSync, limits: KeyLimits) {
    this.#database = database;
    this.#limits = limits;
    this.reload();
  }

  /** Reads again what there is; to be called after keys were deleted, or a transaction was rolled back. */
  reload(): void {
    this.#ids.clear();
    this.#services.clear();
    const rows = this.#database.prepare("SELECT id, service, version, method, caller, code FROM key").all();
    for (const row of rows as unknown as (UsageKey & { id: number })[]) {
      this.#ids.set(packed(row), row.id);
      this.#note(row);
    }
  }

  get count(): number {
    return this.#ids.size;
  }

  /** The number of a key, or of what stands for it. */
  idOf(wanted: UsageKey): number {
    return this.#ids.get(packed(wanted)) ?? this.#add(this.bounded(wanted));
  }

  #add(key: UsageKey): number {
    const id = this.#ids.get(packed(key));
    if (id !== undefined) return id;
    const { lastInsertRowid } = this.#database
      .prepare("INSERT INTO key (service, version, method, caller, code) VALUES (?, ?, ?, ?, ?)")
      .run(key.service, key.version, key.method, key.caller, key.code);
    this.#ids.set(packed(key), Number(lastInsertRowid));
    this.#note(key);
    return Number(lastInsertRowid);
  }

  /** The key itself, or what stands for it. */
  bounded(key: UsageKey): UsageKey {
    if (this.#ids.has(packed(key))) return key;
    const { services, versionsOfService, methodsOfService, callersOfService, keys } = this.#limits;
    const other = { service: OTHER, version: "", method: OTHER, caller: OTHER, code: key.code };
    const names = this.#services.get(key.service);
    // Room for what stands for the rest is always left: 17 codes of each.
    if (this.#ids.size >= keys || (names === undefined && this.#services.size >= services)) return other;
    if (!isName(key.service)) return other;
    return {
      service: key.service,
      version: fitting(key.version, names?.versions, versionsOfService),
      method: fitting(key.method, names?.methods, methodsOfService),
      caller: fitting(key.caller, names?.callers, callersOfService),
      code: key.code,
    };
  }

  #note({ service, version, method, caller }: UsageKey): void {
    let names = this.#services.get(service);
    if (names === undefined) {
      names = { versions: new Set(), methods: new Set(), callers: new Set() };
      this.#services.set(service, names);
    }
    names.versions.add(version);
    names.methods.add(method);
    names.callers.add(caller);
  }
}

function fitting(name: string, known: ReadonlySet<string> | undefined, limit: number): string {
  if (known?.has(name)) return name;
  return isName(name) && (known?.size ?? 0) < limit ? name : OTHER;
}

/** Names of services, methods and versions have no blanks or control characters. */
function isName(text: string): boolean {
  return text.length <= LONGEST && /^[\w.+:/@-]+$/.test(text);
}

function packed({ service, version, method, caller, code }: UsageKey): string {
  return JSON.stringify([service, version, method, caller, code]);
}
