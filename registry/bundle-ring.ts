import { createHash } from "node:crypto";

/** Points of each host; more spread bundles more evenly, and cost more at a change of hosts. */
const POINTS = 16;

/**
 * Says which hosts keep copies of a bundle: consistent hashing (Karger et al., "Consistent hashing and random trees", 1997), so that a
 * host that comes or goes moves few of them, and that everybody finds the same ones without asking.
 */
export class BundleRing {
  readonly #points: readonly { readonly at: string; readonly host: string }[];

  constructor(hosts: Iterable<string>) {
    this.#points = [...new Set(hosts)]
      .flatMap((host) => Array.from({ length: POINTS }, (_, n) => ({ at: sha256(`${host}#${n}`), host })))
      .sort((a, b) => (a.at < b.at ? -1 : 1));
  }

  /** All hosts, those that keep a copy first. @param digest SHA-256, hex: it is its own place on the ring. */
  *hostsFor(digest: string): Generator<string> {
    const points = this.#points;
    const said = new Set<string>();
    const first = this.#firstAfter(digest);
    for (let n = 0; n < points.length; n++) {
      const host = points[(first + n) % points.length]?.host;
      if (host === undefined || said.has(host)) continue;
      said.add(host);
      yield host;
    }
  }

  #firstAfter(digest: string): number {
    let [low, high] = [0, this.#points.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#points[middle]?.at ?? "") < digest) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
