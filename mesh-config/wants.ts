import type { Logger } from "pino";
import { clusterName, type Target } from "../registry/target.ts";
import { RouseError } from "../sdk/errors.ts";
import type { Activation } from "./activation.ts";
import type { Wakes } from "./wakes.ts";
import type { Control } from "./xds/control.ts";

/**
 * The orchestrator tells of each start that fails; when it says nothing for so long after the start's own limit, we do, ms. It takes
 * five seconds to find out that a host is dead, and as much to give up an agent.
 */
const SILENCE_MS = 10_000;

/** Follows each wish for a cold generation from the first held call until it serves, fails, or is out of date. */
export class Wants {
  readonly #control: () => Control;
  readonly #activation: Activation;
  readonly #wakes: Wakes;
  readonly #log: Logger;
  readonly #silenceMs: number;
  readonly #timers = new Map<string, NodeJS.Timeout>();

  constructor(
    control: () => Control,
    activation: Activation,
    wakes: Wakes,
    log: Logger,
    silenceMs = SILENCE_MS,
  ) {
    this.#control = control;
    this.#activation = activation;
    this.#wakes = wakes;
    this.#log = log;
    this.#silenceMs = silenceMs;
  }

  /** @param thawing id of the instance on standby that the calls were sent to already. */
  add(target: Target, thawing: string | undefined): void {
    const name = clusterName(target);
    if (this.#timers.has(name)) return;
    this.#activation.want(target, this.#wakes.held(target), thawing);
    this.#listen(target);
    this.#log.info({ cluster: name }, "calls are held for a cold version");
  }

  /** An orchestrator is at it: it has said how a start went, and there may be another. */
  heard(target: Target): void {
    if (this.#timers.has(clusterName(target))) this.#listen(target);
  }

  /** An orchestrator leads from now on, and has been told all that is wanted. */
  led(): void {
    for (const target of this.#activation.wanted()) this.heard(target);
  }

  /** Ends the wishes that came true or cannot any more. */
  settle(): void {
    for (const target of this.#activation.wanted()) {
      const outcome = this.#outcome(target);
      if (outcome === undefined) continue;
      const name = clusterName(target);
      this.#activation.settle(name);
      clearTimeout(this.#timers.get(name));
      this.#timers.delete(name);
      if (outcome !== "serves") this.#wakes.failed(name, outcome);
    }
  }

  close(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  /** @returns "serves", the reason why it will not, or undefined while it may. */
  #outcome(target: Target): string | undefined {
    const control = this.#control();
    const version = control.version(target);
    if (version === undefined) return "the version is registered no more";
    const { generation, failure, stopped } = version.activation;
    if (version.barred === true) return "it is not approved to run";
    if (generation > target.generation) return `generation ${generation} took its place`;
    if (control.serves(target)) return "serves";
    return stopped?.reason ?? failure?.message;
  }

  #listen(target: Target): void {
    const name = clusterName(target);
    const limit = this.#control().version(target)?.manifest.startTimeoutMs ?? 0;
    clearTimeout(this.#timers.get(name));
    this.#timers.set(
      name,
      setTimeout(() => this.#silence(target, limit), limit + this.#silenceMs),
    );
  }

  #silence(target: Target, limitMs: number): void {
    const { service, version } = target;
    const name = clusterName(target);
    const why =
      this.#activation.leader === undefined
        ? 'no orchestrator can be reached. Look at "rouse status"; "rouse control-plane" must be running'
        : 'the orchestrator gave no reason. Look at "rouse status" and at the orchestrator\'s log';
    const error = new RouseError(
      "UNAVAILABLE",
      `${service} ${version} did not get ready within its start timeout of ${limitMs} ms, and ${why}.`,
      { reason: "START_UNANSWERED", metadata: { service, version } },
    );
    this.#log.error({ cluster: name }, error.message);
    this.#wakes.failed(name, error.message);
    // It stays wanted: with the first word of an orchestrator it may still come up.
    this.#control().silence(target, error);
  }
}
