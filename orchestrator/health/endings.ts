import type { Version } from "./writer.ts";

/** How an instance was when Consul showed it no more. */
export interface Gone {
  readonly version: Version;
  readonly host: string;
  /** Since it was first seen, ms. */
  readonly livedMs: number;
  /** Others of its version that were left. */
  readonly left: number;
}

/** So many are remembered of which one of the two signs is still missing; the newest count. */
const MOST_KEPT = 10_000;

/**
 * Tells which instances have ended: those that Consul shows no more, and of which their agent has said that they ended, whichever comes
 * first. Where Consul is put back to an earlier state, it leaves out some that run, and shows and leaves out again some that ended long
 * ago; nobody has ended then.
 */
export class Endings {
  readonly #said = new Set<string>();
  readonly #unlisted = new Map<string, Gone>();
  readonly #ended: (gone: Gone) => void;

  constructor(ended: (gone: Gone) => void) {
    this.#ended = ended;
  }

  /** Its agent says that it ended. */
  said(id: string): void {
    const gone = this.#unlisted.get(id);
    this.#unlisted.delete(id);
    if (gone === undefined) keep(this.#said.add(id));
    else this.#ended(gone);
  }

  /** Consul shows it no more, and nobody had it stopped. */
  unlisted(id: string, gone: Gone): void {
    if (this.#said.delete(id)) this.#ended(gone);
    else keep(this.#unlisted.set(id, gone));
  }

  /** Consul shows it, for the first time or again. */
  listed(id: string): void {
    this.#unlisted.delete(id);
  }

  /** It was stopped. */
  forget(id: string): void {
    this.#said.delete(id);
    this.#unlisted.delete(id);
  }

  reset(): void {
    this.#said.clear();
    this.#unlisted.clear();
  }
}

function keep(kept: Set<string> | Map<string, unknown>): void {
  const [oldest] = kept.keys();
  if (kept.size > MOST_KEPT && oldest !== undefined) kept.delete(oldest);
}
