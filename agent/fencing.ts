import { z } from "zod";
import { RouseError } from "../sdk/errors.ts";
import { readJson, writeJson } from "./json-file.ts";

const schema = z.object({ newest: z.number().int().min(0) });

/**
 * Refuses commands of orchestrators that have been replaced (Consul's sequencer, see Kleppmann, "How to do
 * distributed locking"). The newest token outlives the agent.
 */
export class Fencing {
  readonly #file: string;
  #newest: number;
  /** What is newest is on disk. */
  #written = true;

  constructor(file: string) {
    this.#file = file;
    this.#newest = readJson(file, schema)?.newest ?? 0;
  }

  get newest(): number {
    return this.#newest;
  }

  /**
   * Accepts a command's token, or throws. Token 0 is a person's command and always passes.
   *
   * @throws RouseError FAILED_PRECONDITION STALE_TOKEN.
   */
  check(token: number): void {
    if (token === 0) return;
    if (token < this.#newest)
      throw new RouseError(
        "FAILED_PRECONDITION",
        `The command's fencing token ${token} is older than ${this.#newest}: another orchestrator has taken the lead. Ask that one.`,
        { reason: "STALE_TOKEN", metadata: { token: String(token), newest: String(this.#newest) } },
      );
    if (token === this.#newest && this.#written) return;
    this.#newest = token;
    try {
      writeJson(this.#file, { newest: token });
      this.#written = true;
    } catch {
      // A full disk, most likely: what the leader does counts for more than what the next agent knows. The next command tries again.
      this.#written = false;
    }
  }
}
