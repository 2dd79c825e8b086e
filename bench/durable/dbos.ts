import { randomUUID } from "node:crypto";
import { DBOS } from "@dbos-inc/dbos-sdk";
import type { RouseRunResponse } from "#proto/rouse/orders/v1/durable.ts";
import { MeshCalls, type RunStream } from "../../orders/operations/mesh-call.ts";
import { SERVICE } from "../../orders/runs/testing/rig.ts";

/** What an instance said, as DBOS keeps it: an entry with its number, or the result. */
type Said = { readonly entry: number; readonly value: string } | { readonly result: string };

/** Durable runs by DBOS: its workflow is one run's stream to an instance, and each thing that the instance says is a step of it. */
export interface DbosRuns {
  /** Runs what the script says to its end. */
  run(script: unknown): Promise<void>;
  close(): Promise<void>;
}

/** @param url of the database. @param address of the instance. */
export async function startDbos(url: string, address: string): Promise<DbosRuns> {
  const calls = new MeshCalls(address);
  const workflow = DBOS.registerWorkflow(
    async (id: string, script: string): Promise<string> => {
      const link = new Link(calls.run({ id, service: SERVICE, version: "1.0.0", caller: "" }), id, script);
      for (;;) {
        const said = await DBOS.runStep(() => link.next(), { name: "said" });
        if ("result" in said) {
          link.end();
          return said.result;
        }
        link.committed(said.entry);
      }
    },
    { name: "run" },
  );
  DBOS.setConfig({
    name: "rouse-bench",
    systemDatabaseUrl: withIdleTimeout(url),
    logLevel: "error",
    runAdminServer: false,
    executorID: "bench",
  });
  await DBOS.launch();
  return {
    async run(script) {
      const id = randomUUID();
      const handle = await DBOS.startWorkflow(workflow, { workflowID: id })(id, JSON.stringify(script));
      await handle.getResult();
    },
    async close() {
      await DBOS.shutdown();
      calls.close();
    },
  };
}

/** DBOS's own default. Not told by the URL, it is set by a query beside the first one of each connection, which pg warns of. */
const IDLE_IN_TRANSACTION_MS = 60_000;

function withIdleTimeout(url: string): string {
  const more = encodeURIComponent(`-c idle_in_transaction_session_timeout=${IDLE_IN_TRANSACTION_MS}`);
  return `${url}${url.includes("?") ? "&" : "?"}options=${more}`;
}

/** One stream, read message by message. */
class Link {
  readonly #stream: RunStream;
  readonly #messages: AsyncIterator<RouseRunResponse>;

  constructor(stream: RunStream, run: string, script: string) {
    this.#stream = stream;
    this.#messages = stream[Symbol.asyncIterator]() as AsyncIterator<RouseRunResponse>;
    stream.write({
      message: {
        $case: "begin",
        value: {
          run,
          method: "Play",
          request: Buffer.from(script),
          key: "",
          createdAtMs: Date.now(),
          recorded: 0,
          caller: "",
          replays: 0,
          deadlineMs: 0,
          mostEntryBytes: 2 ** 20,
          mostEntries: 10_000,
        },
      },
    });
  }

  async next(): Promise<Said> {
    const { value, done } = await this.#messages.next();
    if (done === true) throw new Error("The instance ended the stream.");
    const { message } = value;
    if (message?.$case === "entry")
      return { entry: message.value.index, value: message.value.value.toString("base64") };
    if (message?.$case === "result") return { result: message.value.response.toString("base64") };
    throw new Error(`The instance said ${message?.$case}.`);
  }

  committed(index: number): void {
    this.#stream.write({ message: { $case: "committed", value: { indexes: [index] } } });
  }

  end(): void {
    this.#stream.write({ message: { $case: "ended", value: {} } });
    this.#stream.end();
  }
}
