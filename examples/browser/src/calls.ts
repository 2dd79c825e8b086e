/** How a call went. */
export interface CallReport {
  readonly what: string;
  readonly version: string;
  /** Service that is called. */
  readonly service: string;
  /** Version spec that it is called with; "": its release. */
  readonly spec: string;
  /** ms to the first answer; undefined: none yet. */
  readonly first: number | undefined;
  readonly messages: number;
  readonly state: "waiting" | "ok" | "failed";
  readonly error: string;
}

/** Follows a stream or a single answer: tells at the first message, at the end and when it fails. */
export async function follow<T>(
  call: AsyncIterable<T> | Promise<T>,
  about: Pick<CallReport, "what" | "version" | "service" | "spec">,
  tell: (report: CallReport) => void,
  each: (message: T) => void,
): Promise<void> {
  const began = performance.now();
  let first: number | undefined;
  let messages = 0;
  const report = (state: CallReport["state"], error = "") =>
    tell({ ...about, first, messages, state, error });
  const take = (message: T) => {
    messages++;
    each(message);
    if (first !== undefined) return;
    first = performance.now() - began;
    report("waiting");
  };
  report("waiting");
  try {
    if (Symbol.asyncIterator in call) for await (const message of call) take(message);
    else take(await call);
    first ??= performance.now() - began;
    report("ok");
  } catch (error) {
    report("failed", error instanceof Error ? error.message : String(error));
    throw error;
  }
}
