import { setTimeout as sleep } from "node:timers/promises";
import { credentials } from "@grpc/grpc-js";
import { AgentClient, type Instance, InstanceState } from "#proto/rouse/agent/v1/agent.ts";
import type { HostsWatch } from "../../registry/hosts.ts";
import { RouseError } from "../../sdk/errors.ts";
import { unary } from "../../sdk/grpc.ts";
import { Slots } from "../runs/slots.ts";

/** A method of a version that orders call. */
export interface Called {
  readonly service: string;
  readonly version: string;
  readonly method: string;
}

export type EndedInstance = Pick<Instance, "id" | "reason" | "endedAtMs">;
/** Tells the instances of a version that failed, as far as their hosts know. */
export type EndedInstances = (called: Called) => Promise<readonly EndedInstance[]>;

/** So often in a row an instance may run out of memory under a call; then the call is at fault. */
export const MOST_DEATHS = 3;
/** An agent reads its instance's last output before it tells of its end: so often it is asked, after such pauses, ms. */
const ASKS = 4;
const PAUSE_MS = 250;
/** Clocks of hosts may differ by so much, ms. */
const CLOCKS_MS = 2_000;
const ANSWER_MS = 2_000;
/** One that has been alone for so long, ms, is not waited for any longer. */
const TURN_MS = 60_000;

/**
 * Finds the calls under which instances run out of memory: made again and again, they would take down what others call, too. Of
 * calls of a version that were under way at such an end each is made alone from then on, one at a time, so that those that are
 * not at fault come through.
 */
export class MemoryDeaths {
  readonly #ended: EndedInstances;
  readonly #turns = new Map<string, Slots>();

  constructor(ended: EndedInstances) {
    this.#ended = ended;
  }

  suspect(called: Called): Suspect {
    return new Suspect(called, this.#ended, () => this.#turnsOf(called));
  }

  #turnsOf({ service, version }: Called): Slots {
    const name = `${service} ${version}`;
    const turns = this.#turns.get(name) ?? new Slots(1);
    this.#turns.set(name, turns);
    return turns;
  }
}

/** What is known of one call. */
export class Suspect {
  readonly #called: Called;
  readonly #ended: EndedInstances;
  readonly #turns: () => Slots;
  readonly #seen = new Set<string>();
  #deaths = 0;
  /** Set once it is at fault: RESOURCE_EXHAUSTED CALL_OUT_OF_MEMORY. */
  fault: RouseError | undefined;

  constructor(called: Called, ended: EndedInstances, turns: () => Slots) {
    this.#called = called;
    this.#ended = ended;
    this.#turns = turns;
  }

  /** Resolves when it may be called. @returns to be called when the call is over. */
  async turn(): Promise<() => void> {
    if (this.#deaths === 0) return () => undefined;
    const free = await this.#turns().take();
    let mine = true;
    const end = () => {
      clearTimeout(timer);
      if (mine) free();
      mine = false;
    };
    const timer = setTimeout(end, TURN_MS);
    return end;
  }

  /**
   * To be called when an instance was lost under the call. Never rejects.
   *
   * @param begunMs when the call began, ms since 1970.
   * @returns how an instance ended meanwhile; undefined: nobody can say.
   */
  async interrupted(begunMs: number): Promise<string | undefined> {
    for (let asks = 0; asks < ASKS; asks++) {
      await sleep(PAUSE_MS);
      const ended = await this.#ended(this.#called);
      const fresh = ended.filter(
        ({ id, endedAtMs }) => endedAtMs >= begunMs - CLOCKS_MS && !this.#seen.has(id),
      );
      for (const { id } of fresh) this.#seen.add(id);
      const starved = fresh.find(({ reason }) => reason.includes("(out of memory)"));
      if (starved !== undefined) this.#died(starved.reason);
      const words = (starved ?? fresh[0])?.reason;
      if (words !== undefined) return words;
    }
    return undefined;
  }

  #died(reason: string): void {
    this.#deaths += 1;
    if (this.#deaths < MOST_DEATHS) return;
    const { service, method, version } = this.#called;
    this.fault = new RouseError(
      "RESOURCE_EXHAUSTED",
      `${service}/${method} of ${version} is not called again: ${MOST_DEATHS} times in a row its instance ran out of memory. ${reason} Let the method keep what is large as an artifact, in parts, and answer its URI (docs/artifacts.md).`,
      { reason: "CALL_OUT_OF_MEMORY" },
    );
  }
}

/** Asks the agents of all hosts. */
export function endedInstances(hosts: HostsWatch): EndedInstances {
  return async ({ service, version }) => {
    const all = [...hosts.current().values()].filter(({ healthy }) => healthy);
    const told = await Promise.all(all.map(({ address }) => instancesOf(address)));
    return told
      .flat()
      .filter((one) => one.service === service && one.version === version)
      .filter(({ state }) => state === InstanceState.FAILED);
  };
}

async function instancesOf(address: string): Promise<Instance[]> {
  const client = new AgentClient(address, credentials.createInsecure(), { "grpc.enable_http_proxy": 0 });
  try {
    const { instances } = await unary(client, "listInstances", {}, { deadlineMs: ANSWER_MS });
    return instances;
  } catch {
    // A host that is gone took the words with it.
    return [];
  } finally {
    client.close();
  }
}
