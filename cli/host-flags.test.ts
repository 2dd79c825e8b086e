import { Command } from "commander";
import { expect, test } from "vitest";
import { addHostFlags, type HostFlags, hostArguments } from "./host-flags.ts";

const parse = (...args: string[]) =>
  addHostFlags(new Command().exitOverride().configureOutput({ writeErr: () => {} }))
    .parse(args, { from: "user" })
    .opts<HostFlags>();

test("memory is given with a unit, or in MiB, and goes on to the agent in MiB", () => {
  const flags = parse("--host", "a", "--memory", "4Gi", "--keep-free", "512");
  expect(flags).toMatchObject({ memory: 4_096, keepFree: 512 });
  expect(hostArguments(flags)).toEqual(["--host", "a", "--memory", "4096", "--keep-free", "512"]);
});

test.each([
  ["--memory", "4 bananas"],
  ["--memory", "0"],
  ["--keep-free", "-1Gi"],
])("%s %s is refused", (flag, text) => {
  expect(() => parse(flag, text)).toThrow(
    `"${text}" is no amount of memory: give a number and a unit such as 512Mi or 16Gi, or MiB without a unit.`,
  );
});
