import type { Peer } from "./peers.ts";

/** The same for the same key and peers: rendezvous hashing, https://en.wikipedia.org/wiki/Rendezvous_hashing */
export function chosenFor(key: string, peers: readonly Peer[]): Peer | undefined {
  let best: { readonly peer: Peer; readonly rank: number } | undefined;
  for (const peer of peers) {
    const rank = hash(`${peer.id} ${key}`);
    if (best === undefined || rank > best.rank) best = { peer, rank };
  }
  return best?.peer;
}

/** FNV-1a, 32 bits: http://www.isthe.com/chongo/tech/comp/fnv/ */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of Buffer.from(text)) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return value;
}
