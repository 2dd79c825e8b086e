import type { Window } from "@rouse-examples/composition/messages";
import type { Feature } from "@rouse-examples/genome/messages";
import type { Scene } from "./scene.ts";
import type { Sources } from "./sources.ts";
import type { TypeFilter } from "./types.ts";
import { basesOf, type View, within } from "./view.ts";

/** Widest view whose bases are fetched. */
const readable = 2_000;
/** Bases of a GC window; the share of fewer says little. */
const leastWindow = 24;
/** So that a view of a whole chromosome does not fill the page's memory. */
const mostFeatures = 5_000;

/** Fetches what a view shows and a view's width around it, once; a newer view ends the calls of an older one. */
export class Loader {
  #sources: Sources;
  #filter: TypeFilter;
  #loaded: { reference: string; start: number; end: number; span: number } | undefined;
  #abort = new AbortController();
  readonly #show: (part: Partial<Scene>) => void;
  readonly #fail: (error: unknown) => void;

  constructor(
    sources: Sources,
    filter: TypeFilter,
    show: (part: Partial<Scene>) => void,
    fail: (error: unknown) => void,
  ) {
    this.#sources = sources;
    this.#filter = filter;
    this.#show = show;
    this.#fail = fail;
  }

  /** Asks other services from now on. */
  use(sources: Sources): void {
    this.#sources = sources;
    this.#loaded = undefined;
  }

  /** Shows other features from now on. */
  filter(filter: TypeFilter): void {
    this.#filter = filter;
    this.#loaded = undefined;
  }

  /** Does nothing while what was fetched covers the view at its scale. */
  load(reference: string, view: View): void {
    const seen = basesOf(view);
    const loaded = this.#loaded;
    const fits = loaded?.reference === reference && loaded.start <= seen.start && loaded.end >= seen.end;
    if (fits && view.span > loaded.span * 0.6 && view.span < loaded.span * 1.7) return;
    this.#abort.abort();
    this.#abort = new AbortController();
    const wide = basesOf(within({ length: view.length, start: view.start - view.span, span: view.span * 3 }));
    this.#loaded = { reference, ...wide, span: view.span };
    const region = { reference, ...wide };
    const { signal } = this.#abort;
    const run = (work: Promise<void>) =>
      work.catch((error: unknown) => {
        if (signal.aborted) return;
        this.#loaded = undefined;
        this.#fail(error);
      });
    run(this.#features(region, signal));
    run(this.#windows(region, Math.max(leastWindow, Math.ceil(view.span / 250)), signal));
    if (view.span <= readable) run(this.#sequence(region, signal));
    else this.#show({ sequence: undefined });
  }

  async #features(
    region: { reference: string; start: number; end: number },
    signal: AbortSignal,
  ): Promise<void> {
    const features: Feature[] = [];
    const enough = new AbortController();
    const both = AbortSignal.any([signal, enough.signal]);
    try {
      const filter = this.#filter;
      await this.#sources.features(region, filter.types, both, (feature) => {
        if (!filter.shows(feature.type)) return;
        features.push(feature);
        if (features.length % 25 === 0) this.#show({ features: [...features] });
        if (features.length === mostFeatures) enough.abort();
      });
    } catch (error) {
      if (!enough.signal.aborted) throw error;
    }
    if (!signal.aborted) this.#show({ features });
  }

  async #windows(
    region: { reference: string; start: number; end: number },
    size: number,
    signal: AbortSignal,
  ): Promise<void> {
    const windows: Window[] = [];
    await this.#sources.windows(region, size, signal, (window) => windows.push(window));
    if (!signal.aborted) this.#show({ windows });
  }

  async #sequence(
    region: { reference: string; start: number; end: number },
    signal: AbortSignal,
  ): Promise<void> {
    const residues = await this.#sources.sequence(region, false, signal);
    if (!signal.aborted) this.#show({ sequence: { start: region.start, residues } });
  }
}
