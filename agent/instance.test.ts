import { pino } from "pino";
import { expect, test } from "vitest";
import { InstanceSpec, InstanceState } from "#proto/rouse/agent/v1/agent.ts";
import { ManagedInstance } from "./instance.ts";
import type { NotifySocket } from "./readiness/notify.ts";
import type { Ending, Runtime, Unit } from "./runtimes/runtime.ts";

test("an instance that has ended is not told as one that serves while its last words are read", async () => {
  const ended = Promise.withResolvers<Ending>();
  const states: string[] = [];
  const unit = {
    ended: ended.promise,
    settle: async () => undefined,
    remove: async () => void states.push(instance.toApi().state),
  } as unknown as Unit;
  const runtime = { name: "process", adopt: async () => unit } as unknown as Runtime;
  const record = {
    id: "i",
    spec: InstanceSpec.fromPartial({ service: "a.v1.A", version: "1.0.0" }),
    generation: 1,
    state: InstanceState.SERVING,
    runtime: "process" as const,
    address: "127.0.0.1:1",
    runtimeId: "",
    handle: {},
    startedAtMs: 0,
    endedAtMs: 0,
    reason: "",
    retiring: false,
    standbySinceMs: 0,
    lastUsedMs: 0,
    placed: "",
  };
  const log = pino({ level: "silent" });
  const draining = async () => void states.push(instance.toApi().state);
  const hooks = [{ name: "test", draining }];
  const instance = new ManagedInstance(record, { log, runtime, notify: {} as NotifySocket, hooks });
  expect(await instance.adopt()).toBe(true);
  ended.resolve({ exitCode: 3 } as Ending);
  await instance.over;
  expect(states).toEqual([InstanceState.DRAINING, InstanceState.DRAINING]);
  expect(instance.toApi().state).toBe(InstanceState.FAILED);
});
