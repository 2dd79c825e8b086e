import { submitTask, type TaskWorker, taskQueue, taskWorker } from "../sdk/tasks/index.ts";
import { createProbeServiceClient } from "../test/fixtures/probe/gen/probe/v1/probe.client.ts";
import { startSubject } from "./subject.ts";
import { type BenchResult, median, quantile, round } from "./table.ts";

const ONE_BY_ONE = 200;
const TOGETHER = 3_000;
const CALLERS = 100;
const WORKERS = 4;
const ROOM = 50;

/**
 * Tasks beside plain calls of a warm service, in one mesh and run: how long until a handler has begun, until the result is there,
 * and how many are done per second. Each task is on disk before it is answered, begun and done.
 */
export default async function tasks(): Promise<BenchResult> {
  await using subject = await startSubject("process", [{ version: "1.0.0", cpu: 0.5 }]);
  const target = subject.mesh.mesh;
  using probe = createProbeServiceClient({ target, retries: 0 });
  await probe.echo({ text: "wake" }, { deadlineMs: 60_000 });

  const queue = taskQueue<number, number>("bench");
  const dispatch: number[] = [];
  const workers: TaskWorker[] = [];
  for (let at = 0; at < WORKERS; at++) {
    workers.push(
      taskWorker(queue, {
        target,
        room: ROOM,
        handle(beganMs) {
          dispatch.push(performance.now() - beganMs);
          return beganMs;
        },
      }),
    );
  }
  const plain: number[] = [];
  const whole: number[] = [];
  // The first starts the database.
  await (await submitTask(queue, performance.now(), { target })).result();
  dispatch.length = 0;
  for (let at = 0; at < ONE_BY_ONE; at++) {
    const callMs = performance.now();
    await probe.echo({ text: "x" });
    plain.push(performance.now() - callMs);
    const taskMs = performance.now();
    await (await submitTask(queue, taskMs, { target })).result();
    whole.push(performance.now() - taskMs);
  }
  const begun = [...dispatch];

  const perSecond = async (each: () => Promise<unknown>) => {
    let left = TOGETHER;
    const beganMs = performance.now();
    await Promise.all(
      Array.from({ length: CALLERS }, async () => {
        while (left-- > 0) await each();
      }),
    );
    return TOGETHER / ((performance.now() - beganMs) / 1_000);
  };
  const calls = await perSecond(() => probe.echo({ text: "x" }));
  const done = await perSecond(async () => (await submitTask(queue, performance.now(), { target })).result());
  for (const worker of workers) await worker.close();
  const times = (what: string, of: readonly number[], rate: number | string) => ({
    what,
    "p50 ms": round(median(of)),
    "p99 ms": round(quantile(of, 0.99)),
    "per s": typeof rate === "number" ? Math.round(rate) : rate,
  });
  return {
    name: "Tasks",
    about: `${ONE_BY_ONE} one by one, then ${TOGETHER} by ${CALLERS} callers; ${WORKERS} workers with room for ${ROOM} in the process of the callers.`,
    rows: [
      times("plain call", plain, calls),
      times("task, until its handler begins", begun, ""),
      times("task, until its result is there", whole, done),
    ],
    figure: {
      name: "tasks per plain call, per second",
      value: done / calls,
      goal: "none",
      met: true,
    },
  };
}
