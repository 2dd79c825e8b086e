import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { submitTask, taskQueue, taskWorker } from "../sdk/tasks/index.ts";
import { createLedgerServiceClient } from "./fixtures/ledger/gen/ledger/v1/ledger.client.ts";
import { createWorkerServiceClient } from "./fixtures/worker/gen/worker/v1/worker.client.ts";
import { runningInstances, until } from "./support/live.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { makeProbe, type Probe } from "./support/probe.ts";
import { rouse } from "./support/rouse.ts";
import { dockerRuntime } from "./support/runtimes.ts";

const BYTES = 100 * 2 ** 20;
const { available } = await dockerRuntime();

/** Of instances that have 128 MiB. */
describe.skipIf(!available)("a result of 100 MB", () => {
  let mesh: TestMesh;
  const probes: Probe[] = [];
  beforeAll(async () => {
    mesh = await startMesh({ runtime: "docker" });
    for (const fixture of ["ledger", "worker", "jobs"] as const) {
      const probe = await makeProbe({ fixture });
      probes.push(probe);
      await probe.register(mesh.data);
    }
  });
  afterAll(async () => {
    await mesh?.close();
    for (const probe of probes) await probe.remove();
  });

  const work = { steps: 1, stepMs: 1, fail: "", bytes: BYTES };
  const tooLarge = {
    status: "RESOURCE_EXHAUSTED",
    reason: "RESULT_TOO_LARGE",
    message: expect.stringMatching(
      / has 100\.0 MiB, more than the 16 MiB .* as an artifact, and pass its URI along/,
    ),
  };

  test("of a plain call is refused before it takes its instance's memory", async () => {
    using worker = createWorkerServiceClient({ target: mesh.edge });
    const instances = () => runningInstances(mesh, "worker.v1.WorkerService");
    await worker.quick({ ...work, bytes: 1 });
    // Consul hears of it after the call that woke it is answered.
    await until("Consul shows the instance", async () => (await instances()).length === 1);
    const before = await instances();
    await expect(worker.quick({ ...work, bytes: BYTES })).rejects.toMatchObject({
      status: "RESOURCE_EXHAUSTED",
      reason: "RESULT_TOO_LARGE",
      message: expect.stringMatching(
        /^The response of Quick has 100\.0 MiB, more than the 64\.0 MiB that its service sends in one message\. Keep .* as an artifact/,
      ),
    });
    await worker.quick({ ...work, bytes: 1 });
    expect(await instances()).toEqual(before);
  });

  test("of an async call is refused, and its instance lives", async () => {
    using worker = createWorkerServiceClient({ target: mesh.edge });
    for (const start of [worker.async.work, worker.async.workOnce]) {
      const started = await start(work);
      await expect(started.wait()).rejects.toMatchObject(tooLarge);
      expect(await started.get()).toMatchObject({ attempts: 1 });
    }
  });

  test("that fills the instance's memory ends the call after three tries, with the instance's last words; the rest goes on", async () => {
    using worker = createWorkerServiceClient({ target: mesh.edge });
    // It waits while the instance goes away.
    const other = await worker.async.work({ ...work, bytes: 0, steps: 4, stepMs: 500 });
    const started = await worker.async.work({ ...work, fail: "memory" });
    await expect(started.wait()).rejects.toMatchObject({
      status: "RESOURCE_EXHAUSTED",
      reason: "CALL_OUT_OF_MEMORY",
      message: expect.stringMatching(
        /WorkerService\/Work of 1\.0\.0 is not called again: 3 times in a row its instance ran out of memory\. .* used more than its 128 MiB .*as an artifact/s,
      ),
    });
    expect(await other.wait()).toMatchObject({ steps: 4 });
    const once = await worker.async.workOnce({ ...work, fail: "memory" });
    await expect(once.wait()).rejects.toMatchObject({
      status: "ABORTED",
      reason: "OPERATION_INTERRUPTED",
      message: expect.stringContaining("used more than its 128 MiB"),
    });
  });

  test("of a durable run is refused, and its instance lives", async () => {
    using ledger = createLedgerServiceClient({ target: mesh.edge });
    const book = { entries: 1, first: 1, restMs: 0, entryMs: 0, fail: "", approval: "" };
    await expect(ledger.book({ ...book, bytes: BYTES })).rejects.toMatchObject(tooLarge);
  });

  test("of a job ends its order with what to do", async () => {
    const args = ["jobs.v1.JobsService/Misbehave", '{"how": "huge"}', "--wait", "--data", mesh.data];
    const { code, stderr } = await rouse(["order", ...args]);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /Task "main" failed: The result of Misbehave has 100\.0 MiB, .*\(RESULT_TOO_LARGE\)/s,
    );
  });

  test("of a task fails it, and its worker goes on", async () => {
    const queue = taskQueue<number, string>("large");
    const worker = taskWorker(queue, { target: mesh.mesh, handle: (bytes) => "x".repeat(bytes) });
    try {
      const made = await submitTask(queue, BYTES, { target: mesh.mesh });
      await expect(made.result()).rejects.toMatchObject({
        reason: "TASK_TOO_LARGE",
        message:
          "The task's result has 100.0 MiB; 4 MiB are the most. Keep it as an artifact, and pass on its URI.",
      });
      const small = await submitTask(queue, 1, { target: mesh.mesh });
      expect(await small.result()).toBe("x");
    } finally {
      await worker.close(0);
    }
  });
});
