/** A stream that can be ended: its Envoy opens it anew, maybe at another control plane. */
export interface EndableStream {
  end(): void;
}

/** Load reports whose Envoy is configured elsewhere are of no use here; they are ended after so long, ms. */
const LONELY_REPORTS_MS = 3_000;
/** An Envoy reports again 5 s after a broken stream (load_stats_reporter.cc); after so long it does so elsewhere, ms. */
const LONELY_CONFIGURATION_MS = 20_000;
/** An Envoy that nowhere reports any load is not sent away again within this time, ms. */
const SENT_AWAY_MS = 300_000;

/**
 * Brings an Envoy's two streams together at one control plane: only with both is it known there what has drained. As a rule
 * both go to the first control plane that answers, and break together.
 */
export class Pairing {
  /** The node's id is empty until its first request. */
  readonly #configured = new Map<EndableStream, () => string>();
  readonly #reporting = new Map<EndableStream, string>();
  readonly #lonelySince = new WeakMap<EndableStream, number>();
  readonly #sentAwayAt = new Map<string, number>();

  configures(stream: EndableStream, node: () => string): void {
    this.#configured.set(stream, node);
  }

  reports(stream: EndableStream, node: string): void {
    this.#reporting.set(stream, node);
  }

  gone(stream: EndableStream): void {
    this.#configured.delete(stream);
    this.#reporting.delete(stream);
  }

  /**
   * Ends the streams that have been here alone for too long. To be called each second or so.
   *
   * @param nowMs of a clock that does not jump.
   * @returns the nodes.
   */
  check(nowMs: number): string[] {
    const configured = new Set([...this.#configured.values()].map((node) => node()));
    const reporting = new Set(this.#reporting.values());
    // One that waits to be let in has not been heard yet: whose it is may be any of those that report.
    const unheard = configured.has("");
    const ended: string[] = [];
    for (const [stream, node] of this.#reporting) {
      if (!this.#lonelyFor(stream, !unheard && !configured.has(node), LONELY_REPORTS_MS, nowMs)) continue;
      this.gone(stream);
      stream.end();
      ended.push(node);
    }
    for (const [stream, nodeOf] of this.#configured) {
      const node = nodeOf();
      const alone = node !== "" && !reporting.has(node);
      if (!this.#lonelyFor(stream, alone, LONELY_CONFIGURATION_MS, nowMs)) continue;
      if (nowMs - (this.#sentAwayAt.get(node) ?? Number.NEGATIVE_INFINITY) < SENT_AWAY_MS) continue;
      this.#sentAwayAt.set(node, nowMs);
      stream.end();
      ended.push(node);
    }
    return ended;
  }

  #lonelyFor(stream: EndableStream, lonely: boolean, limitMs: number, nowMs: number): boolean {
    if (!lonely) {
      this.#lonelySince.delete(stream);
      return false;
    }
    const since = this.#lonelySince.get(stream) ?? nowMs;
    this.#lonelySince.set(stream, since);
    return nowMs - since >= limitMs;
  }
}
