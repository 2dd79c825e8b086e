import type { Page, Pages } from "./pages.ts";
import type { Shared, Snapshot } from "./snapshot.ts";

/** How far an Envoy that came with nothing has got through the pages of one kind. */
export class Tour {
  readonly pages: readonly Page[];
  /** What they hold. */
  readonly shared: Shared;
  /** So many of them may be sent, were sent, were accepted, and were asked for. */
  ready: number;
  sent = 0;
  accepted = 0;
  named = 0;
  readonly #of: Pages;

  /** @param ready So many pages may be sent at once. */
  constructor(of: Pages, kind: "cluster" | "endpoint", ready: number) {
    this.#of = of;
    this.pages = of[kind];
    this.shared = of.shared[kind];
    this.ready = ready;
  }

  /** The one to send now. */
  get next(): Page | undefined {
    return this.sent < this.ready ? this.pages[this.sent] : undefined;
  }

  /** Lets those lists be sent that follow a page of clusters. */
  follow({ lists }: Page): void {
    this.ready = lists;
  }

  /** Nothing more has to come before what is left. */
  get complete(): boolean {
    return this.ready === this.pages.length;
  }

  get over(): boolean {
    return this.accepted === this.pages.length;
  }

  /** Whether the snapshot still has all that the pages hold. */
  within(snapshot: Snapshot): boolean {
    return this.#of.within(snapshot);
  }

  /** Whether these are the names of the next page that Envoy is to ask for, which it now has. */
  asks(names: readonly string[]): boolean {
    if (this.named === this.ready || !this.pages[this.named]?.isOf(names)) return false;
    this.named++;
    return true;
  }

  /** The version in which a resource was sent. */
  version(name: string): string | undefined {
    const sent = this.pages.slice(0, this.sent).some(({ names }) => names.has(name));
    return sent ? this.shared.contents.get(name)?.version : undefined;
  }
}
