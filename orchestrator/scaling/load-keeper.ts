import { credentials } from "@grpc/grpc-js";
import type { Logger } from "pino";
import { ScalingClient } from "#proto/rouse/orchestrator/v1/scaling.ts";
import { unary } from "../../sdk/grpc.ts";
import { steadyMs } from "../../sdk/steady.ts";
import type { RecordedLoads } from "./recorded.ts";

/** What is recorded is written, and followers ask for it, so often, ms: so much is lost when the leader is killed, twice at most. */
const EACH_MS = 5_000;
const TIDY_EACH_MS = 60_000;
/** The latest spans may have grown since they were told, ms. */
const OVERLAP_MS = 10_000;
/** Spans in one answer: some hundred KiB. */
const PAGE = 5_000;
const PATIENCE_MS = 5_000;

export interface LoadKeeperDeps {
  readonly recorded: RecordedLoads;
  /** Whether this orchestrator leads. */
  readonly leads: () => boolean;
  /** "host:port" of the leading orchestrator, as far as it is known. */
  readonly leader: () => string | undefined;
  readonly log: Logger;
}

/** Keeps the recorded load: the leader writes what it sees, and every other orchestrator what the leader tells, so that the next one has it. */
export class LoadKeeper {
  readonly #deps: LoadKeeperDeps;
  readonly #timers: readonly NodeJS.Timeout[];
  #asking: Promise<void> | undefined;

  constructor(deps: LoadKeeperDeps) {
    this.#deps = deps;
    const tidy = () => deps.recorded.tidy(steadyMs());
    this.#timers = [setInterval(() => this.#turn(), EACH_MS), setInterval(tidy, TIDY_EACH_MS)].map((timer) =>
      timer.unref(),
    );
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.#asking;
    this.#deps.recorded.close();
  }

  #turn(): void {
    const { recorded, leads, leader, log } = this.#deps;
    const address = leader();
    if (leads()) recorded.flush();
    if (leads() || address === undefined || this.#asking !== undefined) return;
    this.#asking = copyRecorded(address, recorded)
      .catch((err: unknown) =>
        log.debug({ err, leader: address }, "the leader does not tell the recorded load"),
      )
      .finally(() => {
        this.#asking = undefined;
      });
  }
}

/** Takes what an orchestrator has recorded since the newest span that is known here. @throws what the calls throw. */
export async function copyRecorded(address: string, recorded: RecordedLoads): Promise<void> {
  const client = new ScalingClient(address, credentials.createInsecure());
  try {
    let sinceMs = Math.max(0, recorded.newestMs() - OVERLAP_MS);
    for (;;) {
      const request = { sinceMs, limit: PAGE };
      const { loads } = await unary(client, "listRecorded", request, { deadlineMs: PATIENCE_MS });
      recorded.take(
        loads.flatMap(({ service, version, sample }) =>
          sample === undefined ? [] : [{ service, version, ...sample }],
        ),
      );
      const last = loads.at(-1)?.sample?.atMs;
      if (loads.length < PAGE || last === undefined || last <= sinceMs) return;
      sinceMs = last;
    }
  } finally {
    client.close();
  }
}
