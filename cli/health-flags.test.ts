import { Command } from "commander";
import { expect, test } from "vitest";
import { addHealthFlags, type HealthFlags, healthArguments } from "./health-flags.ts";

function parse(...args: string[]): HealthFlags {
  const command = addHealthFlags(new Command().exitOverride().configureOutput({ writeErr: () => undefined }));
  return command.parse(args, { from: "user" }).opts();
}

test("quarantine and probation have defaults, and are passed on as they were given", () => {
  expect(healthArguments(parse())).toEqual(["--quarantine", "10s", "--probation", "15s"]);
  const given = ["--quarantine", "1s", "--probation", "90s"];
  expect(healthArguments(parse(...given))).toEqual(given);
});

test.each(["0s", "999ms", "2h", "soon", "-1s", "10"])("%s is refused", (text) => {
  expect(() => parse("--quarantine", text)).toThrow(
    `"${text}" is no such time: give one from 1s to 1h, such as 10s.`,
  );
});
