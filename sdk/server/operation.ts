import { defaultTarget } from "../client/attempt.ts";
import { type SharedChannel, shareChannel } from "../client/channel.ts";
import { clientOf } from "../client/operations.ts";
import { unary } from "../grpc.ts";

/** Handlers may say often how far they are; it is passed on so often at most, ms. */
const PAUSE_MS = 200;
const MOST_BYTES = 64 * 2 ** 20;

/** Tells orders how far the calls are that this process makes for operations. */
export class ProgressReporter {
  readonly #latest = new Map<string, { fraction: number; note: string }>();
  #channel: SharedChannel | undefined;
  #timer: NodeJS.Timeout | undefined;

  report(id: string, fraction: number, note: string): void {
    this.#latest.set(id, { fraction, note });
    this.#timer ??= setTimeout(() => void this.#send(), PAUSE_MS).unref();
  }

  async #send(): Promise<void> {
    const all = [...this.#latest];
    this.#latest.clear();
    this.#channel ??= shareChannel(defaultTarget({}), MOST_BYTES);
    const client = clientOf(this.#channel);
    // What is lost is made good by the next report, and at the latest by the end.
    await Promise.allSettled(all.map(([id, progress]) => unary(client, "reportProgress", { id, progress })));
    this.#timer = undefined;
    if (this.#latest.size > 0) this.#timer = setTimeout(() => void this.#send(), PAUSE_MS).unref();
  }
}
