import { expect, test } from "vitest";
import { isSqlFault } from "./transact.ts";

test.each([
  ["a unique key is there twice", "23505", true],
  ["a text is no number", "22P02", true],
  ["a function of ours raises", "P0001", true],
  ["the disk is full", "53100", false],
  ["the server is shut down", "57P01", false],
  ["the connection broke", "08006", false],
  ["the socket is closed, as the system says it", "EPIPE", false],
  ["nobody listens", "ECONNREFUSED", false],
  ["nothing at all", "", false],
])("%s: %s", (_, code, fault) => {
  expect(isSqlFault(code)).toBe(fault);
});
