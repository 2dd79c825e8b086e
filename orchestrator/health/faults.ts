import type { Logger } from "pino";

/** Versions that are at fault themselves, as most of their instances do badly. */
export class Faults {
  readonly #log: Logger;
  readonly #reasons = new Map<string, string>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Why, as a clause, by "<service>@<version>". */
  get all(): ReadonlyMap<string, string> {
    return this.#reasons;
  }

  /**
   * Whether a version is at fault.
   *
   * @param unwell Why, of each instance that does badly.
   * @param well How many others there are.
   */
  weigh(key: string, unwell: readonly string[], well: number): boolean {
    const [reason] = unwell;
    if (reason === undefined || !isShared(unwell.length, well)) {
      if (this.#reasons.delete(key)) this.#log.info({ version: key }, "version is no longer at fault");
      return false;
    }
    if (!this.#reasons.has(key)) {
      const fault = `${unwell.length} of its ${unwell.length + well} instances do badly, so that it is not theirs: ${reason}`;
      this.#reasons.set(key, fault);
      this.#log.warn({ version: key, fault }, "version is at fault; its instances are not quarantined");
    }
    return true;
  }

  clear(): void {
    this.#reasons.clear();
  }
}

/** Two or more do badly, and more than do well: taking them out would leave the others with more calls, and new ones would do no better. */
function isShared(unwell: number, well: number): boolean {
  return unwell >= 2 && unwell > well;
}
