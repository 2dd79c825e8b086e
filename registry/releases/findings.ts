/** A difference between two versions that callers may notice, before it is told who uses what it names. */
export interface Difference {
  readonly severity: "note" | "breaking";
  /** Rule of buf ("RPC_NO_DELETE") or of ours ("MANIFEST_DEADLINE"). */
  readonly rule: string;
  /** A clause without a full stop. */
  readonly message: string;
  /** Methods that it concerns; empty: all of them. */
  readonly methods: readonly string[];
}
