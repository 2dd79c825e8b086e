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

/** What is told of a host beside how its instances do; undefined when it is followed no more. */
export interface HostNews {
  readonly jobs: (host: string, held: Amounts | undefined) => void;
  /** Bundles and images that it has already. */
  readonly held: (host: string, held: ReadonlySet<string> | undefined) => void;
}

/** Follows how instances do, what Envoys leave out, what jobs hold, and what is there already: one stream per agent, however many instances it has. */
export class AgentStreams {
  readonly #agents: Agents;
  readonly #keeper: HealthKeeper;
  readonly #news: HostNews;
  readonly #log: Logger;
  readonly #followed = new Map<string, Followed>();

  constructor(agents: Agents, keeper: HealthKeeper, news: HostNews, log: Logger) {
    this.#agents = agents;
    this.#keeper = keeper;
    this.#news = news;
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
    const there = new Set<string>();
    let isFirst = true;
    stream.on("data", ({ instances, jobs, leftOut, held, heldNoMore }: WatchHealthResponse) => {
      if (jobs !== undefined) {
        const { cpu, memoryBytes: memory, gpu } = jobs;
        this.#news.jobs(host, { cpu, memory, gpu });
      }
      if (isFirst || held.length + heldNoMore.length > 0) {
        isFirst = false;
        for (const artifact of held) there.add(artifact);
        for (const artifact of heldNoMore) there.delete(artifact);
        this.#news.held(host, new Set(there));
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
    this.#news.jobs(host, undefined);
    this.#news.held(host, undefined);
  }
}
