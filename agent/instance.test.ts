import { pino } from "pino";
import { expect, test } from "vitest";
import { InstanceSpec, InstanceState } from "#proto/rouse/agent/v1/agent.ts";
import { Capacity } from "./capacity.ts";
import { capacityHook } from "./hooks/capacity-hook.ts";
import type { Hook } from "./hooks/hook.ts";
import { ManagedInstance } from "./instance.ts";
import type { NotifySocket } from "./readiness/notify.ts";
import { newRecord } from "./record.ts";
import type { Ending, Runtime, Unit } from "./runtimes/runtime.ts";

const spec = InstanceSpec.fromPartial({ service: "a.v1.A", version: "1.0.0", memoryBytes: 128 });

/** One that serves, of a former agent, and what ends it. */
async function adopted(remove: () => Promise<void>, hook: Omit<Hook, "name">) {
  const ended = Promise.withResolvers<Ending>();
  const unit = { ended: ended.promise, settle: async () => undefined, remove } as unknown as Unit;
  const runtime = { name: "process", adopt: async () => unit } as unknown as Runtime;
  const record = {
    ...newRecord({ id: "i", spec, generation: 1, runtime: "process" }),
    state: InstanceState.SERVING,
    address: "127.0.0.1:1",
  };
  const log = pino({ level: "silent" });
  const hooks = [{ ...hook, name: "test" }];
  const instance = new ManagedInstance(record, { log, runtime, notify: {} as NotifySocket, hooks });
  expect(await instance.adopt()).toBe(true);
  return { instance, end: () => ended.resolve({ exitCode: 3 } as Ending) };
}

test("an instance that has ended is not told as one that serves while its last words are read", async () => {
  const states: string[] = [];
  const note = async () => void states.push(instance.toApi().state);
  const { instance, end } = await adopted(note, { draining: note });
  end();
  await instance.over;
  expect(states).toEqual([InstanceState.DRAINING, InstanceState.DRAINING]);
  expect(instance.toApi().state).toBe(InstanceState.FAILED);
});

test("what an instance held is free as soon as its processes have ended, however long it takes to remove its container", async () => {
  const capacity = new Capacity("h", { cpu: 1, memoryBytes: 128, gpu: 0 });
  capacity.reserve("i", spec);
  const removing = Promise.withResolvers<void>();
  const removed = Promise.withResolvers<void>();
  const remove = () => {
    removing.resolve();
    return removed.promise;
  };
  const { instance, end } = await adopted(remove, capacityHook(capacity));
  end();
  await removing.promise;
  expect(instance.hasEnded).toBe(false);
  capacity.reserve("next", spec);
  removed.resolve();
  await instance.over;
  expect(capacity.left.memoryBytes).toBe(0);
});
