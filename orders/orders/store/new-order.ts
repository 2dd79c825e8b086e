/** A task that was checked. */
export interface NewTask {
  readonly name: string;
  readonly service: string;
  /** Exact. */
  readonly version: string;
  readonly method: string;
  readonly kind: "job" | "call";
  readonly provider: string;
  readonly needs: readonly string[];
  /** JSON with references. */
  readonly parameters: string;
  readonly inputs: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly retries: number;
  readonly deadlineMs: number;
  /** What a job takes of its host; null for a call. */
  readonly room: JobRoom | null;
}

/** Cores, bytes, GPUs, and labels that the host must have. */
export interface JobRoom {
  readonly cpu: number;
  readonly memory: number;
  readonly gpu: number;
  readonly labels: Readonly<Record<string, string>>;
}

/** An order that was checked. */
export interface NewOrder {
  readonly id: string;
  readonly name: string;
  readonly priority: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** Service that ordered; empty: somebody outside. */
  readonly caller: string;
  /** Provider whose key it is asked for with. Default: none. */
  readonly asker?: string;
  /** Empty: none. */
  readonly idempotencyKey: string;
  /** SHA-256 of what the key stands for. */
  readonly digest: Buffer;
  readonly keepMs: number;
  readonly tasks: readonly NewTask[];
}
