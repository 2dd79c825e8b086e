import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { startMeshConfig } from "../../mesh-config/server.ts";
import type { MeshState } from "../../registry/state.ts";
import { largeMesh, settings, withMovedInstance } from "./mesh.ts";

/*
 * mesh-config on a large mesh, for the bench xds-scale. Forked with the number of services. Commands: "change N MOVE" moves the instance
 * of a service; "cpu" and "memory" tell what it spent, µs, and what it has in use, bytes.
 */

let state = largeMesh(Number(process.argv[2]));
let tell: (next: MeshState) => void = () => undefined;

const control = await startMeshConfig({
  id: "bench",
  listen: "127.0.0.1:0",
  settings,
  followLeader: () => () => undefined,
  watch: (onChange) => {
    tell = onChange;
    onChange(state);
    return () => undefined;
  },
  log: pino({ level: "silent" }),
});

async function handle(command: string): Promise<number> {
  const [verb, n, move] = command.split(" ");
  if (verb === "change") {
    state = withMovedInstance(state, Number(n), Number(move));
    tell(state);
    return 0;
  }
  if (verb === "cpu") {
    const { user, system } = process.cpuUsage();
    return user + system;
  }
  return memory();
}

/** What is in use once nothing more is freed: buffers that were just sent are counted until a later collection. */
async function memory(): Promise<number> {
  for (let last = Number.POSITIVE_INFINITY; ; await sleep(500)) {
    globalThis.gc?.();
    const { heapUsed, external } = process.memoryUsage();
    const used = heapUsed + external;
    if (used > last * 0.995) return used;
    last = used;
  }
}

process.on("message", (command: string) => void handle(command).then((value) => process.send?.(value)));
process.on("disconnect", () => process.exit());
process.send?.(control.address);
