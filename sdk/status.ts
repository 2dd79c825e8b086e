/**
 * The gRPC statuses (https://grpc.io/docs/guides/status-codes/).
 *
 * Rouse's own table, for browsers must not load grpc-js.
 */
export const statusCodes = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

/** Name of a gRPC status, such as "NOT_FOUND". */
export type StatusName = keyof typeof statusCodes;

/** Number of a gRPC status. */
export type StatusCode = (typeof statusCodes)[StatusName];

const names = Object.keys(statusCodes) as StatusName[];

/** Name of a status number; undefined for a number that gRPC does not know. */
export function statusName(code: number): StatusName | undefined {
  return names[code];
}
