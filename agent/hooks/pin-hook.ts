import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Logger } from "pino";
import { Cores } from "../cores.ts";
import type { InstanceRecord } from "../record.ts";
import { allowedCores, containerMembers, groupMembers } from "../runtimes/proc.ts";
import type { Hook } from "./hook.ts";

const run = promisify(execFile);

/**
 * Keeps instances that ask for it on cores of their own, by `taskset` (util-linux). A start may use all cores, so that it is quick;
 * what the instance starts later stays on those of its parent.
 */
export function pinHook(log: Logger): Hook {
  const cores = new Cores(allowedCores());
  return {
    name: "pin",
    serving({ record }) {
      const { id, spec } = record;
      if (spec.pinCores !== true || cores.has(id)) return;
      const chosen = cores.take(id, spec.cpu);
      pin(record, chosen).then(
        (count) =>
          log.info({ instance: id, cores: chosen, processes: count }, "instance is kept on its cores"),
        (err: unknown) =>
          log.warn({ err, instance: id }, "instance cannot be kept on its cores: it runs on any of them"),
      );
    },
    ended: ({ record }) => cores.release(record.id),
  };
}

/** @returns how many processes were pinned. */
async function pin({ runtime, runtimeId }: InstanceRecord, cores: readonly number[]): Promise<number> {
  const members = runtime === "process" ? groupMembers(Number(runtimeId)) : containerMembers(runtimeId);
  if (runtime === "in-process" || members.length === 0)
    throw new Error(`its processes are not to be seen from here (runtime ${runtime})`);
  for (const pid of members) await run("taskset", ["-a", "-c", "-p", cores.join(","), String(pid)]);
  return members.length;
}
