/** Which attempt at which task a job is. */
export interface JobOf {
  readonly orderId: string;
  /** Of the task in its order. */
  readonly position: number;
  /** The first is 1. */
  readonly attempt: number;
}

const FORM = /^order-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-(\d{1,4})-(\d{1,5})$/;

/** The id by which a host knows the job of an attempt: the same attempt is the same job. */
export function jobId({ orderId, position, attempt }: JobOf): string {
  return `order-${orderId}-${position}-${attempt}`;
}

/** Undefined for jobs that orders did not ask for. */
export function parseJobId(id: string): JobOf | undefined {
  const [, orderId, position, attempt] = FORM.exec(id) ?? [];
  if (orderId === undefined) return undefined;
  return { orderId, position: Number(position), attempt: Number(attempt) };
}
