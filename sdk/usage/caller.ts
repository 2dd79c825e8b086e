/**
 * Request header in which a service says its name to those that it calls, for who uses what. Envoy takes it off calls
 * from the outside.
 */
export const CALLER_HEADER = "rouse-caller";
