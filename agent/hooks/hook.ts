import type { ManagedInstance } from "../instance.ts";

/**
 * Something that goes along with an instance's life (after Nomad's allocrunner hooks). Every method is optional and
 * synchronous unless it says so: none may hold up a start.
 */
export interface Hook {
  readonly name: string;
  /** After every change of the record: state, address, generation, reason. */
  changed?(instance: ManagedInstance): void;
  /** It serves, has a new generation, or its health changed while it serves. */
  serving?(instance: ManagedInstance): void;
  /** It is about to be told to end; waited for, but not longer than a second. */
  draining?(instance: ManagedInstance): Promise<void>;
  /** Its processes have ended, and hold no cores and no memory any more; {@link ended} follows when the rest is given back, too. */
  exited?(instance: ManagedInstance): void;
  /** It has ended, and everything it took is given back. */
  ended?(instance: ManagedInstance): void;
}
