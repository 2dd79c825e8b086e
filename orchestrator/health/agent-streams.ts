import type { ClientReadableStream } from "@grpc/grpc-js";
import type { Logger } from "pino";
import type { WatchHealthResponse } from "#proto/rouse/agent/v1/agent.ts";
import type { HostState } from "../../registry/hosts.ts";
import { steadyMs } from "../../sdk/steady.ts";
import type { Agents } from "../agents.ts";
import type { Amounts } from "../placement/host.ts";
import type { HealthKeeper } from "./keeper.ts";

/** Pause before an agent is asked again, ms. */
const AGAIN_MS = 1_000;

interface Followed {
  readonly address: string;
  stream: ClientReadableStream<WatchHealthResponse> | undefined;
  timer: NodeJS.Timeout | undefined;
}

/** Follows how instances do, what Envoys leave out, and what jobs hold: one stream per agent, however many instances it has. */
export class AgentStreams {
  readonly #agents: Agents;
  readonly #keeper: HealthKeeper;
  readonly #jobsHeld: (host: string, held: Amounts | undefined) => void;
  readonly #log: Logger;
  readonly #followed = new Map<string, Followed>();

  /** @param jobsHeld Told what jobs hold on a host; undefined when it is followed no more. */
  constructor(
    agents: Agents,
    keeper: HealthKeeper,
    jobsHeld: (host: string, held: Amounts | undefined) => void,
    log: Logger,
  ) {
    this.#agents = agents;
    this.#keeper = keeper;
    this.#jobsHeld = jobsHeld;
    this.#log = log;
  }

  /** Follows exactly the agents of these hosts. */
  follow(hosts: readonly HostState[]): void {
    const wanted = new Map(hosts.map(({ host, address }) => [host, address]));
    for (const [host, { address }] of this.#followed) if (wanted.get(host) !== address) this.#end(host);
    for (const [host, address] of wanted) {
      if (this.#followed.has(host)) continue;
      const followed = { address, stream: undefined, timer: undefined };
      this.#followed.set(host, followed);
      this.#open(host, followed);
    }
  }

  close(): void {
    for (const host of [...this.#followed.keys()]) this.#end(host);
  }

  #open(host: string, followed: Followed): void {
    const stream = this.#agents.at(followed.address).watchHealth({});
    followed.stream = stream;
    stream.on("data", ({ instances, jobs, leftOut }: WatchHealthResponse) => {
      if (jobs !== undefined) {
        const { cpu, memoryBytes: memory, gpu } = jobs;
        this.#jobsHeld(host, { cpu, memory, gpu });
      }
      this.#keeper.heardOfEnvoy(host, leftOut, steadyMs());
      this.#keeper.heard(host, instances);
    });
    let isOver = false;
    const over = () => {
      if (isOver || followed.stream !== stream) return;
      isOver = true;
      this.#keeper.lostSight(host);
      followed.timer = setTimeout(() => this.#open(host, followed), AGAIN_MS).unref();
    };
    stream.on("error", (err) => {
      this.#log.debug({ err, host }, "an agent tells no health; it is asked again");
      over();
    });
    stream.on("end", over);
  }

  #end(host: string): void {
    const followed = this.#followed.get(host);
    this.#followed.delete(host);
    if (followed === undefined) return;
    const { stream } = followed;
    followed.stream = undefined;
    clearTimeout(followed.timer);
    stream?.cancel();
    this.#keeper.lostSight(host);
    this.#jobsHeld(host, undefined);
  }
}
