/** Request header with the id of the operation that a call is made for. */
export const OPERATION_HEADER = "rouse-operation";
/** Request header of a plain call of a durable method: runs of a service with the same key are made one after the other. */
export const KEY_HEADER = "rouse-key";
/** Request header of a plain call of a durable method: the same key gives the same run. */
export const IDEMPOTENCY_HEADER = "rouse-idempotency-key";
