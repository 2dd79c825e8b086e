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

function handle(command: string): number {
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
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

process.on("message", (command: string) => process.send?.(handle(command)));
process.on("disconnect", () => process.exit());
process.send?.(control.address);
