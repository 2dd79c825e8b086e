/** Of this very process. */
const beganMs = performance.timeOrigin;

/**
 * Milliseconds since 1970 that go on evenly when somebody sets the machine's clock, or it jumps: what the clock said when this process
 * began, and the time since. For whatever counts how long something lasts; what people read is `Date.now()`.
 */
export function steadyMs(): number {
  return Math.floor(beganMs + performance.now());
}
