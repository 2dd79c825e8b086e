import type {
  Begin,
  Entry,
  Failure,
  Result,
  RouseRunRequest,
  RouseRunResponse,
} from "#proto/rouse/orders/v1/durable.ts";
import { RouseError } from "../../sdk/errors.ts";
import { callError } from "../../sdk/grpc.ts";
import type { RunStream } from "../operations/mesh-call.ts";

/** Bytes of entries in one message of the journal. */
const PART_BYTES = 2 ** 20;
/** So long an instance may take to end a stream that we have ended, ms; then it is cut. */
const FAREWELL_MS = 2_000;

/** What an instance says during a run. Handlers begin in the order of what it said. */
export interface SessionEvents {
  /** @param more Another message follows at once: both may be put on disk by one commit. */
  entry(entry: Entry, more: boolean): Promise<void>;
  waiting(indexes: readonly number[]): Promise<void>;
  result(result: Result): Promise<void>;
  failure(failure: Failure): Promise<void>;
}

/** How a stream ended: as orders wanted it, or by an error of the mesh, the instance or the database. */
export type SessionEnd = "done" | RouseError;

/** One stream to an instance, from Begin to its end. */
export class Session {
  /** The instance has said something, so that it began with the function. */
  heard = false;
  readonly #stream: RunStream;
  readonly #end: Promise<SessionEnd>;
  readonly #finish: (end: SessionEnd) => void;
  #over = false;
  #farewell: NodeJS.Timeout | undefined;

  constructor(stream: RunStream, events: SessionEvents) {
    this.#stream = stream;
    const { promise, resolve } = Promise.withResolvers<SessionEnd>();
    this.#end = promise;
    this.#finish = (end) => {
      this.#over = true;
      clearTimeout(this.#farewell);
      resolve(end);
    };
    stream.on("data", (message: RouseRunResponse) => {
      this.heard = true;
      this.#take(message, events).catch((thrown: unknown) => this.cut(RouseError.from(thrown)));
    });
    // A status that is not OK is an error; the end of an instance's own accord is one too.
    stream.on("error", (error) => this.#finish(this.#ending ? "done" : callError(error)));
    stream.on("end", () => this.#finish(this.#ending ? "done" : leftEarly()));
  }

  /** Sends the first message and the journal. */
  begin(begin: Begin, journal: readonly Entry[]): void {
    this.#send({ message: { $case: "begin", value: begin } });
    for (const entries of parts(journal)) this.#send({ message: { $case: "recorded", value: { entries } } });
  }

  committed(index: number): void {
    this.#send({ message: { $case: "committed", value: { indexes: [index] } } });
  }

  completed(entry: Entry): void {
    this.#send({ message: { $case: "completed", value: { entry } } });
  }

  /** The run is over. @param cancelled why, if it was cancelled. */
  ended(cancelled?: string): void {
    if (cancelled === undefined) this.#send({ message: { $case: "ended", value: {} } });
    else this.#send({ message: { $case: "cancelled", value: { reason: cancelled } } });
    this.release();
  }

  /** Ends the stream; the instance lets go of the run. */
  release(): void {
    if (this.#over || this.#ending) return;
    this.#ending = true;
    this.#stream.end();
    this.#farewell = setTimeout(() => {
      this.#stream.cancel();
      this.#finish("done");
    }, FAREWELL_MS);
  }

  /** Cuts the stream. */
  cut(why: RouseError): void {
    if (this.#over) return;
    this.#finish(why);
    this.#stream.cancel();
  }

  /** The stream has ended, or was cut. */
  get over(): boolean {
    return this.#over;
  }

  /** Resolves when the stream has ended. */
  end(): Promise<SessionEnd> {
    return this.#end;
  }

  #ending = false;

  #send(message: RouseRunRequest): void {
    if (!this.#over && !this.#ending) this.#stream.write(message);
  }

  async #take({ message, more }: RouseRunResponse, events: SessionEvents): Promise<void> {
    if (this.#over || this.#ending) return;
    switch (message?.$case) {
      case "entry":
        return events.entry(message.value, more);
      case "waiting":
        return events.waiting(message.value.indexes);
      case "result":
        return events.result(message.value);
      case "failure":
        return events.failure(message.value);
      default:
        throw new RouseError(
          "INTERNAL",
          "The instance sent a message that this version of Rouse does not know.",
          { reason: "RUN_PROTOCOL" },
        );
    }
  }
}

/** The journal in parts of a size that any instance takes. */
export function* parts(journal: readonly Entry[]): Generator<Entry[]> {
  let part: Entry[] = [];
  let bytes = 0;
  for (const entry of journal) {
    if (part.length > 0 && bytes + entry.value.length > PART_BYTES) {
      yield part;
      part = [];
      bytes = 0;
    }
    part.push(entry);
    bytes += entry.value.length + entry.name.length + 64;
  }
  if (part.length > 0) yield part;
}

function leftEarly(): RouseError {
  return new RouseError("UNAVAILABLE", "The instance ended the stream before the run was over.", {
    reason: "RUN_INTERRUPTED",
  });
}
