import type { Peer } from "./peers.ts";

/** A peer that does not say in time whether it has a session counts as one that has not, ms. */
export const FIND_MS = 1_000;

/** What peers say of a key. */
export interface Answers {
  readonly found: { readonly peer: Peer; readonly movable: boolean } | undefined;
  /** Those that are there. */
  readonly answered: readonly Peer[];
  /** One of them has given it away: whoever took it may have been asked a moment before. */
  readonly moved: boolean;
}

/** Asks all peers which of them has the session of a key. Resolves with the first that has, or when all have answered. */
export function askPeers(peers: readonly Peer[], key: string, ownId: string): Promise<Answers> {
  const answered: Peer[] = [];
  if (peers.length === 0) return Promise.resolve({ found: undefined, answered, moved: false });
  return new Promise((resolve) => {
    let left = peers.length;
    let claimant: Peer | undefined;
    let hasMoved = false;
    for (const peer of peers) {
      peer
        .find(key, ownId, FIND_MS)
        .then(({ there, movable, claimed, moved }) => {
          answered.push(peer);
          hasMoved ||= moved;
          if (there) resolve({ found: { peer, movable }, answered, moved });
          if (claimed && (claimant === undefined || peer.id < claimant.id)) claimant = peer;
        })
        // It is gone, and its sessions with it.
        .catch(() => undefined)
        .finally(() => {
          left -= 1;
          if (left > 0) return;
          const found = claimant && { peer: claimant, movable: false };
          resolve({ found, answered, moved: hasMoved });
        });
    }
  });
}
