import { expect, test } from "vitest";
import { atStop, runStopHooks } from "./at-stop.ts";

test("all that is wished for is done, what fails hinders nothing, and a wish is taken back", async () => {
  const done: string[] = [];
  const back = [
    atStop(async (graceMs) => void done.push(`a ${graceMs}`)),
    atStop(async () => Promise.reject(new Error("no"))),
    atStop(async () => void done.push("c")),
  ];
  back[2]?.();
  await runStopHooks(8_000);
  expect(done).toEqual(["a 8000"]);
  back[0]?.();
  await runStopHooks(0);
  expect(done).toHaveLength(1);
  back[1]?.();
});
