import { expect, test } from "vitest";
import { SessionTable } from "./table.ts";

function made() {
  const ended: string[] = [];
  return { ended, table: new SessionTable(1_000, (key) => ended.push(key)) };
}

test("a session is over when it had no call for its time, counted from the end of the last", () => {
  const { table, ended } = made();
  const session = table.begin("a", 0);
  table.enter(session);
  table.sweep(5_000);
  expect(table.get("a", 5_000)).toBe(session);
  table.leave(session, 5_000);
  expect(table.get("a", 5_999)).toBe(session);
  expect(table.get("a", 6_000)).toBeUndefined();
  expect(ended).toEqual(["a"]);
  expect(table.size).toBe(0);
});

test("what is handed over does not end meanwhile, and is not told to have ended", () => {
  const { table, ended } = made();
  const session = table.begin("a", 0);
  session.leaving = Promise.resolve();
  table.sweep(9_000);
  expect(table.size).toBe(1);
  table.remove(session);
  expect(table.size).toBe(0);
  expect(ended).toEqual([]);
});

test("who waits for quiet is told at the end of the last call", () => {
  const { table } = made();
  const session = table.begin("a", 0);
  let quiet = 0;
  for (let call = 0; call < 2; call++) table.enter(session);
  session.quiet = () => {
    quiet += 1;
  };
  table.leave(session, 1);
  expect(quiet).toBe(0);
  table.leave(session, 2);
  table.enter(session);
  table.leave(session, 3);
  expect(quiet).toBe(1);
});
