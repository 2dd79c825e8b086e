/**
 * Request header in which a service says its name to those that it calls, for who uses what. Envoy takes it off calls
 * from the outside.
 */
export const CALLER_HEADER = "rouse-caller";

/** Request header in which the command line says who uses it, for the history of what is changed. */
export const USER_HEADER = "rouse-user";
