import { EventEmitter } from "node:events";
import { pino } from "pino";
import { expect, test } from "vitest";
import { Changes } from "./database/changes.ts";
import { follow, waitForEnd } from "./follow.ts";

/** A call whose caller may go. */
class Call extends EventEmitter<{ cancelled: [] }> {
  cancelled = false;

  cancel(): void {
    this.cancelled = true;
    this.emit("cancelled");
  }
}

/** Something that never ends, of which no change is told. */
function endless(signal: AbortSignal) {
  const changes = new Changes("postgresql://nobody@127.0.0.1:1/none", ["c"], pino({ level: "silent" }));
  const read = async () => "as it is";
  return follow({ changes, channel: "c", id: "1", read, revisionOf: () => 1, isOver: () => false }, signal);
}

test("what never ends is followed until the caller goes", async () => {
  const call = new Call();
  const waited = waitForEnd(call, 0, endless);
  call.cancel();
  expect(await waited).toBe("as it is");
});

test("a caller that had gone before is not waited for", async () => {
  const call = new Call();
  call.cancel();
  expect(await waitForEnd(call, 0, endless)).toBe("as it is");
});

test("what never ends is followed until the caller's time is over", async () => {
  expect(await waitForEnd(new Call(), 1, endless)).toBe("as it is");
});
