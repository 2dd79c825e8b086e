import type { ServerWritableStream } from "@grpc/grpc-js";

/** The reader of a stream that shows how things are now: what it has not taken yet is kept as names, and told as it is then. */
export class Outlet<Message> {
  readonly #call: ServerWritableStream<unknown, Message>;
  readonly #gone = Promise.withResolvers<void>();
  #wake: (() => void) | undefined;
  #ended = false;

  constructor(call: ServerWritableStream<unknown, Message>) {
    this.#call = call;
    const end = () => {
      this.#gone.resolve();
      this.#wake?.();
    };
    call.on("cancelled", end);
    call.on("close", end);
    call.on("error", end);
  }

  get gone(): boolean {
    return this.#ended || this.#call.cancelled || this.#call.destroyed;
  }

  /** Writes a message, and waits until the reader takes more; resolves at once for one that is gone. */
  async write(message: Message): Promise<void> {
    if (this.gone || this.#call.write(message)) return;
    const drained = new Promise<void>((resolve) => this.#call.once("drain", () => resolve()));
    await Promise.race([drained, this.#gone.promise]);
  }

  /** Resolves after {@link wake}, or when the reader is gone. */
  async rest(): Promise<void> {
    if (this.gone) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }

  wake(): void {
    this.#wake?.();
  }

  /** Ends the stream from our side. */
  end(): void {
    if (this.gone) return;
    this.#ended = true;
    this.#call.end();
    this.#gone.resolve();
    this.wake();
  }
}
