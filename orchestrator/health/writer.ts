import { isDeepStrictEqual } from "node:util";
import type { Logger } from "pino";
import type { VersionHealth } from "../../registry/health-record.ts";
import { versionKey } from "../../registry/target.ts";

export interface Version {
  readonly service: string;
  readonly version: string;
}

export interface HealthWriterDeps {
  readonly log: Logger;
  /** Fencing token while this orchestrator leads. */
  readonly token: () => number | undefined;
  /** Writes what is not well of a version; false when that must be tried again. */
  readonly write: (service: string, version: string, health: VersionHealth) => Promise<boolean>;
  /** Has the version planned again. */
  readonly evaluate: (service: string, version: string) => void;
}

type Known = Pick<VersionHealth, "instances" | "fault">;

/** What Consul does not show within this time after it was written is written again, ms. */
const SHOWN_MS = 5_000;
/** What could not be written is looked at again after this time, ms. */
const AGAIN_MS = 1_000;

/** Keeps Consul at what the leader knows of the health of versions: each change is written once, until Consul shows it. */
export class HealthWriter {
  readonly #deps: HealthWriterDeps;
  readonly #sent = new Map<string, { readonly known: Known; readonly atMs: number }>();

  constructor(deps: HealthWriterDeps) {
    this.#deps = deps;
  }

  /** Writes what is known of a version unless Consul shows it, or is about to. Does nothing while another leads. */
  bring({ service, version }: Version, shown: Known | undefined, known: Known, nowMs: number): void {
    const token = this.#deps.token();
    if (token === undefined) return;
    const key = versionKey({ service, version });
    if (says(shown, known)) {
      this.#sent.delete(key);
      return;
    }
    const sent = this.#sent.get(key);
    if (sent !== undefined && nowMs - sent.atMs < SHOWN_MS && says(sent.known, known)) return;
    this.#sent.set(key, { known, atMs: nowMs });
    const again = () => {
      this.#sent.delete(key);
      setTimeout(() => this.#deps.evaluate(service, version), AGAIN_MS).unref();
    };
    this.#deps.write(service, version, { ...known, token }).then(
      (written) => {
        if (!written) again();
      },
      (err: unknown) => {
        this.#deps.log.warn(
          { err, version: key },
          "the health of a version is not written; it is tried again",
        );
        again();
      },
    );
  }

  /** Another leads: what was written is forgotten. */
  reset(): void {
    this.#sent.clear();
  }
}

/** Whether two say the same, whoever wrote it. */
function says(a: Known | undefined, b: Known): boolean {
  return isDeepStrictEqual(a?.instances ?? {}, b.instances) && a?.fault === b.fault;
}
