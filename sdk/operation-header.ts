/** Request header with the id of the operation that a call is made for. */
export const OPERATION_HEADER = "rouse-operation";
