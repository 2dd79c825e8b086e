/** A session that lives at this instance. */
export interface Session {
  readonly key: string;
  /** Calls under way. */
  open: number;
  /** When its last call ended, or it came here; ms of `performance.now()`. */
  lastMs: number;
  /** Another instance pushed it here, and no caller has found it here yet. */
  guest: boolean;
  /** Set while it is handed over: calls wait for the end of that. */
  leaving: Promise<void> | undefined;
  /** Told when the last call ends. */
  quiet: (() => void) | undefined;
}

/** The sessions that live at this instance, by key. */
export class SessionTable {
  readonly #sessions = new Map<string, Session>();
  readonly #idleMs: number;
  readonly #ended: (key: string) => void;

  /** @param ended Told of each session that was over by itself. */
  constructor(idleMs: number, ended: (key: string) => void) {
    this.#idleMs = idleMs;
    this.#ended = ended;
  }

  /** Sessions that live. */
  get size(): number {
    return this.#sessions.size;
  }

  get(key: string, nowMs: number): Session | undefined {
    const session = this.#sessions.get(key);
    if (session === undefined || !this.#over(session, nowMs)) return session;
    this.#end(session);
    return undefined;
  }

  all(): Session[] {
    return [...this.#sessions.values()];
  }

  begin(key: string, nowMs: number, guest = false): Session {
    const session: Session = { key, open: 0, lastMs: nowMs, guest, leaving: undefined, quiet: undefined };
    this.#sessions.set(key, session);
    return session;
  }

  enter(session: Session): void {
    session.open += 1;
  }

  leave(session: Session, nowMs: number): void {
    session.open -= 1;
    session.lastMs = nowMs;
    if (session.open > 0) return;
    session.quiet?.();
    session.quiet = undefined;
  }

  /** It lives elsewhere from now on. */
  remove(session: Session): void {
    if (this.#sessions.get(session.key) === session) this.#sessions.delete(session.key);
  }

  /** Ends what had no call for too long. */
  sweep(nowMs: number): void {
    for (const session of this.#sessions.values()) if (this.#over(session, nowMs)) this.#end(session);
  }

  #over({ open, lastMs, leaving }: Session, nowMs: number): boolean {
    return open === 0 && leaving === undefined && nowMs - lastMs >= this.#idleMs;
  }

  #end(session: Session): void {
    this.#sessions.delete(session.key);
    this.#ended(session.key);
  }
}
