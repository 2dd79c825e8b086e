import type { TraceResource } from "../tracing/index.ts";
import type { CallCounts } from "../usage/counts.ts";
import type { ServerLog } from "./types.ts";

/** What all calls of one server share. */
export interface Runtime<State> {
  /** Full name of the service. */
  readonly service: string;
  /** Request header that names a session; empty: none. */
  readonly sessionKey: string;
  readonly resource: TraceResource;
  readonly log: ServerLog;
  /** Most bytes of one response message. */
  readonly maxResponseBytes: number;
  /** Undefined: nobody wants to know. */
  readonly counts: CallCounts | undefined;
  state: State;
  /** Calls under way. */
  readonly open: Set<{ cut(): void }>;
  /** The grace time is over: calls that are open are cut. */
  forced: boolean;
}
