import { Server, type ServerDuplexStream, status } from "@grpc/grpc-js";
import {
  DurableRunsService,
  type Entry,
  EntryKind,
  type RouseRunRequest,
  type RouseRunResponse,
} from "#proto/rouse/orders/v1/durable.ts";
import { listen } from "../../../sdk/grpc.ts";

/** What a run is told to do, as JSON in its request. */
export interface Script {
  /** Steps one after the other; each gives a random number. */
  readonly steps?: number;
  /** The last of them is not awaited, but told of together with the end. */
  readonly ahead?: boolean;
  /** Steps at one time, after the others. */
  readonly together?: number;
  readonly stepMs?: number;
  /** Then a sleep of so many ms. */
  readonly sleepMs?: number;
  /** Then an operation of this method, with this request, whose answer is the result. */
  readonly call?: { readonly service: string; readonly method: string; readonly request: unknown };
  /** Then an answer of this name, which is the result. */
  readonly answer?: string;
  /** Bytes of a last step's value, and of the result. */
  readonly bytes?: number;
  readonly resultBytes?: number;
  /** The function fails at the end. */
  readonly fail?: string;
  /** A patch marker of this name before all else, which a replay must find. */
  readonly patch?: string;
  /** Then: what was kept under "last" is the result, and this is kept in its place; empty: nothing. */
  readonly keep?: string;
  /** The stream breaks at this step, at every attempt. */
  readonly breakAt?: number;
}

type Stream = ServerDuplexStream<RouseRunRequest, RouseRunResponse>;

/** An instance that speaks the protocol of durable runs by hand: its functions do what their requests say. */
export class ScriptedInstance {
  /** Runs that have a stream just now. */
  readonly live = new Map<string, Stream>();
  /** Streams so far, by run. */
  readonly begun = new Map<string, number>();
  /** Steps that were really made, by "run index". */
  readonly made = new Map<string, number>();
  /** Most streams that were open at one time for a key. */
  readonly together = new Map<string, number>();
  readonly order: string[] = [];
  readonly #server = new Server({ "grpc.max_receive_message_length": 32 * 2 ** 20 });
  readonly #keys = new Map<string, number>();

  /** @param services full names that it serves. @returns the address. */
  async start(services: readonly string[]): Promise<string> {
    for (const service of services) {
      const { requestDeserialize, responseSerialize } = DurableRunsService.rouseRun;
      this.#server.register(
        `/${service}/RouseRun`,
        (stream: Stream) => this.#run(stream),
        responseSerialize,
        requestDeserialize,
        "bidi",
      );
    }
    return listen(this.#server, "127.0.0.1:0");
  }

  /** Ends at once, as a crash does. */
  close(): void {
    this.#server.forceShutdown();
  }

  #run(stream: Stream): void {
    const attempt = new Attempt(stream);
    stream.on("error", () => undefined);
    attempt.begun
      .then(async ({ run, key, request }) => {
        this.live.set(run, stream);
        this.begun.set(run, (this.begun.get(run) ?? 0) + 1);
        if (this.begun.get(run) === 1) this.order.push(run);
        this.#enter(key, 1);
        stream.on("close", () => this.#leave(run, key, stream));
        stream.on("cancelled", () => this.#leave(run, key, stream));
        await this.#play(attempt, run, JSON.parse(request.toString() || "{}") as Script);
      })
      .catch(() => stream.destroy());
  }

  #enter(key: string, change: number): void {
    const open = (this.#keys.get(key) ?? 0) + change;
    this.#keys.set(key, open);
    this.together.set(key, Math.max(open, this.together.get(key) ?? 0));
  }

  #leave(run: string, key: string, stream: Stream): void {
    if (this.live.get(run) !== stream) return;
    this.live.delete(run);
    this.#enter(key, -1);
  }

  async #play(attempt: Attempt, run: string, script: Script): Promise<void> {
    const values: string[] = [];
    const step = (name: string, more = false) =>
      attempt.step(name, more, async () => {
        const place = `${run} ${name}`;
        this.made.set(place, (this.made.get(place) ?? 0) + 1);
        if (script.stepMs) await new Promise((resolve) => setTimeout(resolve, script.stepMs));
        return Buffer.from(String(Math.random()));
      });
    if (script.patch !== undefined) values.push(await attempt.patch(script.patch));
    for (let number = 0; number < (script.steps ?? 0); number++) {
      if (number === script.breakAt) return attempt.breakOff();
      const last = script.ahead === true && number + 1 === script.steps;
      values.push((await step(`step ${number}`, last)).toString());
    }
    const both = Array.from({ length: script.together ?? 0 }, (_, number) => step(`together ${number}`));
    for (const value of await Promise.all(both)) values.push(value.toString());
    if (script.sleepMs !== undefined) await attempt.sleep(script.sleepMs);
    let result: Buffer = Buffer.from(JSON.stringify(values));
    if (script.call !== undefined) result = await attempt.call(script.call);
    if (script.answer !== undefined) result = await attempt.answer(script.answer);
    if (script.keep !== undefined) {
      const kept = await attempt.kept("last");
      await attempt.keep("last", Buffer.from(script.keep));
      result = Buffer.from(
        JSON.stringify({ before: kept.toString(), after: (await attempt.kept("last")).toString() }),
      );
    }
    const { bytes } = script;
    if (bytes !== undefined) await attempt.step("large", false, async () => Buffer.alloc(bytes));
    if (script.fail !== undefined) attempt.fail(script.fail);
    else attempt.result(script.resultBytes === undefined ? result : Buffer.alloc(script.resultBytes));
  }
}

/** One stream: replays what is recorded, and waits for orders as a server of ours does. */
class Attempt {
  readonly begun: Promise<{ run: string; key: string; request: Buffer }>;
  readonly #stream: Stream;
  readonly #recorded = new Map<number, Entry>();
  readonly #committed = new Map<number, () => void>();
  readonly #completed = new Map<number, (entry: Entry) => void>();
  #next = 0;

  constructor(stream: Stream) {
    this.#stream = stream;
    const { promise, resolve } = Promise.withResolvers<{ run: string; key: string; request: Buffer }>();
    this.begun = promise;
    let missing = 0;
    let begin: { run: string; key: string; request: Buffer } = { run: "", key: "", request: Buffer.alloc(0) };
    stream.on("data", ({ message }: RouseRunRequest) => {
      if (message?.$case === "begin") {
        begin = message.value;
        missing = message.value.recorded;
      } else if (message?.$case === "recorded") {
        for (const entry of message.value.entries) this.#recorded.set(entry.index, entry);
        missing -= message.value.entries.length;
      } else if (message?.$case === "committed") {
        for (const index of message.value.indexes) this.#committed.get(index)?.();
      } else if (message?.$case === "completed" && message.value.entry !== undefined) {
        this.#completed.get(message.value.entry.index)?.(message.value.entry);
      }
      if (missing === 0) resolve(begin);
    });
    stream.on("end", () => stream.end());
  }

  /** @param more What comes next is told of at once: this is not awaited. */
  async step(name: string, more: boolean, work: () => Promise<Buffer>): Promise<Buffer> {
    const index = this.#next++;
    const known = this.#recorded.get(index);
    if (known !== undefined) return known.value;
    const beganAtMs = Date.now();
    const value = await work();
    const entry = entryOf({ index, kind: EntryKind.STEP, name, done: true, value, beganAtMs });
    if (more) this.#tell({ $case: "entry", value: entry }, more);
    else await this.#send(entry);
    return value;
  }

  /** @returns the kind of what is recorded, and its name. */
  async patch(name: string): Promise<string> {
    const index = this.#next++;
    const known = this.#recorded.get(index);
    if (known !== undefined) return `${known.kind} ${known.name}`;
    const value = Buffer.from("true");
    await this.#send(entryOf({ index, kind: EntryKind.PATCH, name, done: true, value }));
    return `${EntryKind.PATCH} ${name}`;
  }

  async sleep(ms: number): Promise<void> {
    await this.#await({ kind: EntryKind.SLEEP, name: "sleep", untilMs: Date.now() + ms });
  }

  async kept(name: string): Promise<Buffer> {
    return this.#await({ kind: EntryKind.KEPT, name });
  }

  async keep(name: string, value: Buffer): Promise<void> {
    const index = this.#next++;
    if (this.#recorded.has(index)) return;
    await this.#send(entryOf({ index, kind: EntryKind.KEEP, name, done: true, value }));
  }

  async answer(name: string): Promise<Buffer> {
    return this.#await({ kind: EntryKind.ANSWER, name });
  }

  async call({ service, method, request }: NonNullable<Script["call"]>): Promise<Buffer> {
    const bytes = Buffer.from(JSON.stringify(request));
    const call = { service, version: "", method, request: bytes, key: "", deadlineMs: 0 };
    return this.#await({ kind: EntryKind.CALL, name: `${service}/${method}`, call });
  }

  result(response: Buffer): void {
    this.#tell({ $case: "result", value: { response } });
  }

  fail(message: string): void {
    const error = { code: 9, message, reason: "", metadata: {} };
    this.#tell({ $case: "failure", value: { error } });
  }

  breakOff(): void {
    this.#stream.emit("error", { code: status.UNAVAILABLE, details: "broken off" });
  }

  async #await(parts: Partial<Entry>): Promise<Buffer> {
    const index = this.#next++;
    const known = this.#recorded.get(index);
    if (known?.done === true) return outcomeOf(known);
    const done = new Promise<Entry>((resolve) => this.#completed.set(index, resolve));
    if (known === undefined) await this.#send(entryOf({ ...parts, index }));
    this.#tell({ $case: "waiting", value: { indexes: [index] } });
    return outcomeOf(await done);
  }

  #send(entry: Entry): Promise<void> {
    return new Promise((resolve) => {
      this.#committed.set(entry.index, resolve);
      this.#tell({ $case: "entry", value: entry });
    });
  }

  #tell(message: RouseRunResponse["message"], more = false): void {
    this.#stream.write({ message, more });
  }
}

function outcomeOf({ value, error }: Entry): Buffer {
  return error === undefined ? value : Buffer.from(`failed: ${error.message}`);
}

function entryOf(parts: Partial<Entry>): Entry {
  const none = Buffer.alloc(0);
  return {
    index: 0,
    kind: EntryKind.UNSPECIFIED,
    name: "",
    done: false,
    value: none,
    error: undefined,
    untilMs: 0,
    call: undefined,
    beganAtMs: Date.now(),
    order: 0,
    digest: none,
    ...parts,
  };
}
