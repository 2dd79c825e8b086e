const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Whether a text can be the id of an operation, a run, an order or a task: PostgreSQL fails with other texts. */
export function isId(text: string): boolean {
  return UUID.test(text);
}
