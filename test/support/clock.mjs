import { readFileSync, writeFileSync } from "node:fs";

// Loaded by NODE_OPTIONS=--import: the clock of this process, and of all that it starts, is off by what a file says, in ms, as
// when somebody sets the machine's clock. What is counted since a process began (performance.now, timers) goes on evenly, as it does then;
// when it began is what the clock said then.
const file = process.env.ROUSE_TEST_CLOCK ?? "";
const RealDate = Date;
let aheadMs = 0;

class SetDate extends RealDate {
  constructor(...given) {
    if (given.length === 0) super(RealDate.now() + aheadMs);
    else super(...given);
  }
  static now() {
    return RealDate.now() + aheadMs;
  }
  static [Symbol.hasInstance](value) {
    return value?.constructor === RealDate || value?.constructor === SetDate;
  }
}
globalThis.Date = SetDate;

function look() {
  try {
    const wanted = Number(readFileSync(file, "utf8"));
    if (wanted === aheadMs || Number.isNaN(wanted)) return;
    aheadMs = wanted;
    // Who set it sees that it has been set here.
    writeFileSync(`${file}.${process.pid}`, String(aheadMs));
  } catch {
    // Nobody has set it yet.
  }
}
look();
Object.defineProperty(performance, "timeOrigin", {
  value: performance.timeOrigin + aheadMs,
  configurable: true,
});
setInterval(look, 50).unref();
