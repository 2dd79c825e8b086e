import { RouseError } from "rouse/errors";

const usual = 1_000;
const most = 10_000;

/**
 * A page of a list that does not change while the service runs.
 *
 * @param size 0: 1,000.
 * @param token `next` of the page before; empty for the first.
 * @throws RouseError INVALID_ARGUMENT PAGE_INVALID.
 */
export function pageOf<T>(all: readonly T[], size: number, token: string): { items: T[]; next: string } {
  if (size > most) throw invalid(`page_size is ${size}; ask for at most ${most} at a time`);
  const from = token === "" ? 0 : Number(/^\d{1,9}$/.test(token) ? token : Number.NaN);
  if (!(from === 0 || from < all.length))
    throw invalid(`page_token "${token}" is none that this service gave; leave it empty for the first page`);
  const to = from + (size || usual);
  return { items: all.slice(from, to), next: to < all.length ? String(to) : "" };
}

function invalid(what: string): RouseError {
  return new RouseError("INVALID_ARGUMENT", `${what}.`, { reason: "PAGE_INVALID" });
}
