import { mkdir, writeFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import { type BenchResult, draw } from "./table.ts";

/** The benchmarks in the order in which they run, by the name that chooses one on the command line. */
const benches: Record<string, () => Promise<{ default: () => Promise<BenchResult | BenchResult[]> }>> = {
  "warm-call": () => import("./warm-call.ts"),
  "generated-server": () => import("./generated-server.ts"),
  "cold-start": () => import("./cold-start.ts"),
  standby: () => import("./standby.ts"),
  "job-start": () => import("./job-start.ts"),
  "idle-wake": () => import("./idle-wake.ts"),
  "scale-step": () => import("./scale-step.ts"),
  "health-cost": () => import("./health-cost.ts"),
  "take-over": () => import("./take-over.ts"),
  "consul-change": () => import("./consul-change.ts"),
  balancing: () => import("./balancing.ts"),
  search: () => import("./search.ts"),
  "xds-scale": () => import("./xds-scale.ts"),
  placement: () => import("./placement.ts"),
  artifacts: () => import("./artifacts.ts"),
  "artifacts-memory": () => import("./artifacts/memory.ts"),
  tasks: () => import("./tasks.ts"),
  durable: () => import("./durable.ts"),
};

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in benches));
if (unknown.length > 0) {
  console.error(`No benchmark ${unknown.join(", ")}; there are ${Object.keys(benches).join(", ")}.`);
  process.exit(1);
}
const results: BenchResult[] = [];
for (const [name, open] of Object.entries(benches)) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  console.error(`${name} …`);
  const { default: bench } = await open();
  const found = [await bench()].flat();
  results.push(...found);
  for (const result of found) console.log(draw(result));
}
const folder = join(import.meta.dirname, "results");
await mkdir(folder, { recursive: true });
const file = join(folder, `${new Date().toISOString().replaceAll(":", "-")}.json`);
const machine = { node: process.version, cores: cpus().length, memoryBytes: totalmem() };
await writeFile(file, `${JSON.stringify({ machine, results }, undefined, 2)}\n`);
console.log(`Written to ${file}`);
