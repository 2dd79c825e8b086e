import type { ClientDuplexStream, ServerDuplexStream } from "@grpc/grpc-js";

/** So much of a stream is kept to be sent again, bytes: as much as an instance can get before it has answered anything. */
const MOST_KEPT = 64 * 1024;

/**
 * What a caller sends, one message or its stream, on its way to another instance: to a second one when the first was gone before it
 * saw the call.
 */
export class Requests {
  readonly #source: Buffer | ServerDuplexStream<Buffer, Buffer>;
  readonly #read: Buffer[] = [];
  #bytes = 0;
  #ended = false;
  #to: ClientDuplexStream<Buffer, Buffer> | undefined;

  constructor(source: Buffer | ServerDuplexStream<Buffer, Buffer>) {
    this.#source = source;
  }

  /** Whether they can be sent from the beginning. */
  get whole(): boolean {
    return this.#bytes <= MOST_KEPT;
  }

  /** Sends them to an instance, from the beginning. */
  sendTo(peer: ClientDuplexStream<Buffer, Buffer>): void {
    const source = this.#source;
    if (Buffer.isBuffer(source)) {
      peer.end(source);
      return;
    }
    const first = this.#to === undefined;
    this.#to = peer;
    if (first) {
      source.on("data", this.#pass);
      source.once("end", this.#end);
      return;
    }
    for (const bytes of this.#read) peer.write(bytes);
    if (this.#ended) peer.end();
    else source.resume();
  }

  /** They are handled here after all: what was read of the stream is read again. */
  readHere(): void {
    const source = this.#source;
    if (Buffer.isBuffer(source) || this.#to === undefined) return;
    source.off("data", this.#pass);
    source.off("end", this.#end);
    const rest = source.iterator.bind(source);
    const [read, ended] = [this.#read, this.#ended];
    source.iterator = async function* (options): AsyncGenerator<Buffer, undefined, undefined> {
      yield* read;
      if (!ended) yield* rest(options);
      return undefined;
    };
  }

  readonly #pass = (bytes: Buffer) => {
    this.#bytes += bytes.length;
    if (this.whole) this.#read.push(bytes);
    const [source, to] = [this.#source, this.#to];
    if (Buffer.isBuffer(source) || to === undefined || to.write(bytes)) return;
    source.pause();
    to.once("drain", () => source.resume());
  };

  readonly #end = () => {
    this.#ended = true;
    this.#to?.end();
  };
}
