import { pino } from "pino";
import { InstanceVitals } from "../agent/health/vitals.ts";
import { HealthWatch } from "../agent/readiness/health.ts";
import { NotifySocket } from "../agent/readiness/notify.ts";

/*
 * What an agent does to know how its instances do, and nothing else, as a process of its own: bench/health-cost.ts tells it by
 * messages which instances there are, and asks for the CPU time that it has used.
 */

const [, , notifyPath = "", healthAddress = ""] = process.argv;
const vitals = new InstanceVitals();
const notify = await NotifySocket.open(notifyPath, pino({ level: "silent" }));
let heard = 0;
notify.onVitals = (instance, said) => {
  heard++;
  vitals.heard(instance, said);
};
// The leader's stream.
let told = 0;
vitals.watch((changed) => {
  told += changed.length;
});
const serving = new Set<string>();

process.on("message", (message: { readonly add?: string; readonly measure?: true }) => {
  const { add } = message;
  if (add !== undefined) {
    new HealthWatch(healthAddress, "bench", (health) => {
      vitals.probed(add, health);
      if (health !== "serving") return;
      serving.add(add);
      process.send?.({ serving: serving.size });
    });
    vitals.expectWords(add);
  }
  if (message.measure) process.send?.({ cpu: process.cpuUsage(), atMs: performance.now(), heard, told });
});
process.send?.({ ready: true });
