import { expect, test } from "vitest";
import { runBuf } from "./buf.ts";

test("buf that takes too long is ended, and said so", async () => {
  await expect(runBuf(["build", "--help"], import.meta.dirname, { limitMs: 1 })).rejects.toMatchObject({
    status: "DEADLINE_EXCEEDED",
    reason: "BUF_TIMEOUT",
    message: "buf build was not done after 1 ms and was ended. Try again when the machine has less to do.",
  });
});
