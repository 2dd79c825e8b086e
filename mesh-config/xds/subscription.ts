import { Layered } from "./layered.ts";
import { type Kind, LARGEST_RESPONSE, type Resource } from "./resource.ts";
import { resumedOf } from "./resumed.ts";
import type { Snapshot } from "./snapshot.ts";
import type { Tour } from "./tour.ts";

/** What Envoy has accepted of a resource. */
export interface Accepted {
  readonly version: string;
  /** The snapshot whose content it is; 0 when it comes from before this process. */
  readonly since: number;
}

/** One response: what is new and what is gone. */
export interface Change {
  readonly resources: Resource[];
  readonly removed: string[];
}

/** One kind of resource on one stream: what Envoy wants, what it was sent, what it accepted or refused. */
export class Subscription {
  readonly kind: Kind;
  wildcard = false;
  readonly names = new Layered<true>();
  readonly accepted = new Layered<Accepted>();
  /** Latest refusal, in Envoy's words. */
  nack = "";
  nackedAtMs = 0;
  ackedAtMs = 0;
  acks = 0;
  nacks = 0;
  /** What Envoy had from before this stream and the snapshot of then lacked. */
  readonly brought = new Set<string>();
  inFlight: (Change & { readonly nonce: string }) | undefined;
  /** Versions that Envoy was sent and has not answered. */
  readonly #sending = new Map<string, string>();
  readonly #refused = new Map<string, string>();
  /** To be sent though Envoy has this content: it asked again, or its cluster is new. */
  readonly #again = new Set<string>();
  /** To be answered with "there is none". */
  readonly #gone = new Set<string>();
  /** Sent before Envoy asked, so that the request which is under way needs no answer. */
  readonly #ahead = new Set<string>();
  /** Envoy does not start before it has an answer for the wildcard, be it empty. */
  #owed = false;
  /** Number of the snapshot of which all was sent, but for what is to be taken away; and of which all was sent. */
  #idleAt = 0;
  #settledAt = 0;
  /** What may have to be sent or taken away; all else is as Envoy has it. */
  readonly #pending = new Set<string>();
  /** Number of the snapshot up to which changes are among the pending; 0: everything has to be looked at. */
  #lookedAt = 0;
  /** As long as Envoy is sent pages it is sent nothing else, and what it was sent is noted by the page. */
  #tour: Tour | undefined;

  constructor(kind: Kind) {
    this.kind = kind;
  }

  /**
   * Takes the first request: what Envoy has from an earlier stream, and what it names.
   *
   * @param anew What is answered even if Envoy has it.
   */
  resume(
    versions: ReadonlyMap<string, string>,
    names: readonly string[],
    snapshot: Snapshot,
    anew: ReadonlySet<string>,
  ): void {
    if (versions.size === 0) {
      this.subscribeAll(names, (name) => name === "*" || anew.has(name));
      return;
    }
    this.leave();
    const resumed = resumedOf(this.kind, versions, names, snapshot);
    this.#lookedAt = resumed.lookedAt;
    // What was sent ahead of the first request, and accepted.
    const before = [...this.accepted];
    this.accepted.take(resumed.accepted);
    for (const [name, accepted] of before) this.accepted.set(name, accepted);
    if (resumed.lookedAt > 0) for (const name of this.accepted.differences()) this.#pending.add(name);
    for (const name of resumed.brought) this.brought.add(name);
    this.names.take(resumed.names);
    // What it has and is not sent anew needs no more.
    for (const name of new Set([...resumed.lacking, ...this.#ahead, ...anew]))
      if (name === "*" || this.names.has(name)) this.subscribe(name, anew.has(name));
  }

  /** Sends an Envoy that has nothing all that is in the pages, before all else. */
  begin(tour: Tour): void {
    if (tour.pages.length === 0) return;
    this.#touched();
    this.#tour = tour;
  }

  get touring(): Tour | undefined {
    return this.#tour;
  }

  /** Goes on without pages, with what Envoy was sent by them. */
  leave(): void {
    const tour = this.#tour;
    if (tour === undefined) return;
    this.#tour = undefined;
    this.#touched();
    const lists = this.kind === "endpoint";
    if (tour.over && (!lists || tour.named === tour.pages.length)) {
      const { contents, names, number } = tour.shared;
      this.accepted.take({ base: contents, own: new Map(), size: contents.size });
      if (lists) this.names.take({ base: names, own: new Map(), size: names.size });
      this.#lookedAt = number;
      return;
    }
    this.#lookedAt = 0;
    tour.pages.slice(0, tour.ready).forEach(({ resources }, n) => {
      for (const resource of resources) {
        const { name, version } = resource;
        if (n < tour.accepted) this.accepted.set(name, resource);
        else if (n < tour.sent) this.#sending.set(name, version);
        if (!lists) continue;
        if (n < tour.named) this.names.set(name, true);
        else this.#ahead.add(name);
      }
    });
  }

  #touched(): void {
    this.#idleAt = 0;
    this.#settledAt = 0;
  }

  /** Takes names that Envoy asks for. @param anew As in `subscribe`. */
  subscribeAll(names: readonly string[], anew: (name: string) => boolean = () => true): void {
    if (names.length === 0 || (this.kind === "endpoint" && this.#tour?.asks(names))) return;
    this.leave();
    for (const name of names) this.subscribe(name, anew(name));
  }

  /** @param anew Answer even if Envoy has the content, as it may have forgotten it. */
  subscribe(name: string, anew: boolean): void {
    this.#touched();
    if (name === "*") {
      this.wildcard = true;
      this.#owed = true;
      if (anew) this.#lookedAt = 0;
      return;
    }
    this.names.set(name, true);
    // One that Envoy has was looked at with all others of the first request.
    const ahead = this.#ahead.delete(name);
    if ((ahead || !anew) && this.has(name)) return;
    this.#pending.add(name);
    this.#again.add(name);
  }

  unsubscribe(name: string): void {
    this.leave();
    this.#touched();
    this.#pending.add(name);
    if (name === "*") this.wildcard = false;
    this.names.delete(name);
    this.#ahead.delete(name);
    this.#gone.delete(name);
    // Whoever has the wildcard cannot tell whether the name is still in it, and is told by having it sent once more.
    if (this.wildcard) this.#again.add(name);
    else {
      this.#again.delete(name);
      this.#sending.delete(name);
      this.accepted.delete(name);
    }
  }

  /** Envoy has it or is being sent it. */
  has(name: string): boolean {
    return this.#sent(name) !== undefined;
  }

  /** The version that Envoy was sent last. */
  #sent(name: string): string | undefined {
    return this.#sending.get(name) ?? this.accepted.get(name)?.version ?? this.#tour?.version(name);
  }

  /** Envoy is to be sent it, and was not yet. */
  owes(name: string, snapshot: Snapshot): boolean {
    const resource = snapshot.resources[this.kind].get(name);
    return resource !== undefined && this.#wants(name) && this.#mustSend(resource);
  }

  /** Sends a resource that Envoy is about to ask for. */
  sendAhead(name: string): void {
    this.leave();
    this.#touched();
    if (!this.names.has(name)) this.#ahead.add(name);
    if (this.has(name)) this.#again.add(name);
    this.#pending.add(name);
  }

  /** Envoy will not ask for it after all. */
  notAhead(name: string): void {
    this.leave();
    this.#ahead.delete(name);
  }

  /** Envoy was sent all that the snapshot has for it, and answered. */
  idle(snapshot: Snapshot): boolean {
    return this.inFlight === undefined && this.#idleAt === snapshot.number;
  }

  tellGone(name: string): void {
    this.#touched();
    this.#gone.add(name);
  }

  /**
   * What is to be sent now; undefined when Envoy has it all, or a response is still unanswered.
   *
   * @param inUse Whether something that Envoy brought along, and that is there no more, must not be taken away yet.
   * @param early Whether something else has to be sent before.
   */
  next(
    snapshot: Snapshot,
    removals: boolean,
    inUse: (name: string) => boolean = () => false,
    early: (name: string) => boolean = () => false,
  ): Change | undefined {
    if (this.inFlight !== undefined || this.#settledAt === snapshot.number) return undefined;
    if (this.#tour?.within(snapshot)) return this.#tour.next;
    this.leave();
    this.#look(snapshot);
    const all = snapshot.resources[this.kind];
    const change: Change = { resources: [], removed: [] };
    let size = 0;
    let waits = false;
    for (const name of this.#pending) {
      const resource = all.get(name);
      // What Envoy has and the snapshot lacks stays pending until it may be taken away.
      if (resource === undefined && this.has(name)) continue;
      if (resource === undefined || !this.#wants(name) || !this.#mustSend(resource)) {
        this.#pending.delete(name);
        continue;
      }
      if (early(name)) {
        waits = true;
        continue;
      }
      change.resources.push(resource);
      size += resource.bytes.length;
      if (size > LARGEST_RESPONSE) return change;
    }
    for (const name of this.#again) if (!all.has(name) && this.kind !== "cluster") change.removed.push(name);
    for (const name of this.#gone) if (!all.has(name) && !this.has(name)) change.removed.push(name);
    if (change.resources.length > 0 || change.removed.length > 0 || this.#owed) return change;
    if (waits) return undefined;
    this.#again.clear();
    this.#gone.clear();
    this.#idleAt = snapshot.number;
    this.#settle(snapshot);
    let left = false;
    for (const name of removals ? this.#pending : []) {
      if (this.brought.has(name) && inUse(name)) left = true;
      else change.removed.push(name);
    }
    if (change.removed.length > 0) return change;
    if (removals && !left) this.#settledAt = snapshot.number;
    return undefined;
  }

  /** Keeps what is common to all Envoys once for all of them. */
  #settle({ shared }: Snapshot): void {
    if (shared === undefined) return;
    const of = () => shared(this.kind);
    this.accepted.settle(() => of()?.contents ?? new Map());
    this.names.settle(() => of()?.names ?? new Map());
  }

  /** Puts what has changed since the last look among the pending. */
  #look(snapshot: Snapshot): void {
    if (this.#lookedAt === snapshot.number) return;
    const all = snapshot.resources[this.kind];
    const few = this.kind !== "cluster" && this.kind !== "endpoint";
    const touched = few || this.#lookedAt === 0 ? undefined : snapshot.touchedSince?.(this.#lookedAt);
    this.#lookedAt = snapshot.number;
    if (touched !== undefined) {
      for (const name of touched) if (this.#wants(name) || this.has(name)) this.#pending.add(name);
      return;
    }
    // One that comes with nothing is sent everything.
    const nothing = this.accepted.size + this.#sending.size + this.#refused.size === 0;
    if (nothing && this.wildcard) for (const name of all.keys()) this.#pending.add(name);
    else
      for (const resource of this.#wanted(all))
        if (this.#mustSend(resource)) this.#pending.add(resource.name);
    for (const name of this.accepted.keys()) if (!all.has(name)) this.#pending.add(name);
    for (const name of this.#sending.keys()) if (!all.has(name)) this.#pending.add(name);
  }

  #wants(name: string): boolean {
    return this.wildcard || this.names.has(name) || this.#ahead.has(name);
  }

  *#wanted(all: ReadonlyMap<string, Resource>): Iterable<Resource> {
    if (this.wildcard) yield* all.values();
    else {
      for (const names of [this.names.keys(), this.#ahead]) {
        for (const name of names) {
          const resource = all.get(name);
          if (resource !== undefined) yield resource;
        }
      }
    }
  }

  #mustSend({ name, version }: Resource): boolean {
    if (this.#refused.get(name) === version) return false;
    return this.#sent(name) !== version || this.#again.has(name);
  }

  /** Notes that the change goes out under the nonce. */
  sending(change: Change, nonce: string): void {
    this.inFlight = { resources: change.resources, removed: change.removed, nonce };
    this.#owed = false;
    if (this.#tour !== undefined) {
      this.#tour.sent++;
      return;
    }
    for (const { name, version } of change.resources) {
      this.#sending.set(name, version);
      this.#pending.delete(name);
      if (this.#again.size > 0) this.#again.delete(name);
    }
    for (const name of change.removed) {
      this.#sending.delete(name);
      this.accepted.delete(name);
      this.brought.delete(name);
      this.#pending.delete(name);
      this.#again.delete(name);
      this.#gone.delete(name);
    }
  }

  /** Envoy took the response. */
  ack(nowMs: number): Change | undefined {
    const change = this.inFlight;
    this.inFlight = undefined;
    this.acks++;
    this.ackedAtMs = nowMs;
    this.nack = "";
    if (change !== undefined && this.#tour !== undefined) {
      this.#tour.accepted++;
      if (this.#tour.over) this.leave();
      return change;
    }
    for (const resource of change?.resources ?? []) {
      // But for what it has unsubscribed from meanwhile.
      if (this.#sending.has(resource.name)) this.accepted.set(resource.name, resource);
      if (this.#refused.size > 0) this.#refused.delete(resource.name);
    }
    this.#sending.clear();
    return change;
  }

  /** Envoy refused it and keeps what it had; the same content is not sent again. */
  refuse(message: string, nowMs: number): Change | undefined {
    this.leave();
    const change = this.inFlight;
    this.inFlight = undefined;
    this.nacks++;
    this.nackedAtMs = nowMs;
    this.nack = message;
    for (const { name, version } of change?.resources ?? []) {
      this.#refused.set(name, version);
      this.#pending.add(name);
    }
    this.#sending.clear();
    return change;
  }

  /** Envoy has accepted the snapshot's content of all that it wants. */
  upToDate(snapshot: Snapshot): boolean {
    if (this.inFlight !== undefined) return false;
    for (const { name, version } of this.#wanted(snapshot.resources[this.kind])) {
      if (this.accepted.get(name)?.version !== version) return false;
    }
    return true;
  }
}
