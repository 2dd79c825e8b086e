import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EntryKind } from "#proto/rouse/orders/v1/durable.ts";
import { OperationsClient } from "#proto/rouse/orders/v1/operations.ts";
import { RunState, RunsClient } from "#proto/rouse/orders/v1/runs.ts";
import { withClient } from "../cli/connect.ts";
import { unary } from "../sdk/grpc.ts";
import { createLedgerServiceClient } from "./fixtures/ledger/gen/ledger/v1/ledger.client.ts";
import { until, untilCold } from "./support/live.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { makeProbe, type Probe } from "./support/probe.ts";
import { rouse, rouseOk } from "./support/rouse.ts";

let mesh: TestMesh;
const ledgers: Probe[] = [];

beforeAll(async () => {
  mesh = await startMesh({ runtime: "process" });
  for (const version of ["1.0.0", "1.1.0", OTHER_PATH]) {
    const ledger = await makeProbe({ fixture: "ledger", version, idleTimeout: "1s" });
    ledgers.push(ledger);
    if (version === OTHER_PATH) {
      const handlers = join(ledger.dir, "src/handlers.ts");
      await writeFile(handlers, (await readFile(handlers, "utf8")).replace("`book $", "`enter $"));
    }
    await ledger.register(mesh.data);
  }
  await rouseOk(["tag", SERVICE, "release", "1.0.0", "--data", mesh.data]);
});
afterAll(async () => {
  await mesh?.close();
  for (const ledger of ledgers) await ledger.remove();
});

/** A version whose steps have other names. */
const OTHER_PATH = "1.2.0";
const SERVICE = "ledger.v1.LedgerService";
const book = { entries: 3, first: 7, restMs: 0, entryMs: 0, fail: "", bytes: 0, approval: "" };
const client = () => createLedgerServiceClient({ target: mesh.edge });
const getRun = (id: string) => withClient(RunsClient, mesh.orders, (runs) => unary(runs, "getRun", { id }));
const stateOf = async (id: string) => (await getRun(id)).state;
const command = (...args: string[]) => rouseOk([...args, "--data", mesh.data]);

describe("a durable run", () => {
  test("is started by a plain call, and told with its journal", async () => {
    using ledger = client();
    expect(await ledger.book(book)).toMatchObject({ booked: [7, 8, 9], version: "1.0.0" });
    const listed = await command("runs", SERVICE, "--state", "succeeded");
    expect(listed).toContain(`${SERVICE}/Book`);
    const [, id = ""] = /^([0-9a-f-]{36}) /m.exec(listed) ?? [];
    const shown = await command("runs", "show", id);
    expect(shown).toContain("3 steps");
    expect(shown).toMatch(/0 {2}step {2}book 0 {2}[·█]+ +\d.* {2}7$/m);
  });

  test("that waits holds no instance: its service goes cold, and the answer wakes it", async () => {
    using ledger = client();
    const started = await ledger.async.book({ ...book, approval: "sum" });
    await until("it sleeps", async () => (await stateOf(started.id)) === RunState.SLEEPING);
    await untilCold(mesh, SERVICE);
    await command("runs", "answer", started.id, "sum", "24");
    expect(await started.wait()).toMatchObject({ booked: [7, 8, 9, 24] });
    expect((await getRun(started.id)).operation?.attempts).toBe(2);
  });

  test("that sleeps holds no instance: its timer wakes the service, which replays what was recorded", async () => {
    using ledger = client();
    // Long enough for the service to go cold meanwhile, however slow the machine is.
    for (const restMs of [8_000, 30_000, 90_000]) {
      const started = await ledger.async.book({ ...book, entries: 1, restMs });
      await until("it sleeps", async () => (await stateOf(started.id)) === RunState.SLEEPING);
      await untilCold(mesh, SERVICE);
      if ((await stateOf(started.id)) !== RunState.SLEEPING) continue;
      expect(await started.wait()).toMatchObject({ booked: [7] });
      const { operation, journal } = await getRun(started.id);
      expect(operation?.attempts).toBe(2);
      expect(journal.map(({ entry }) => entry?.kind)).toEqual([EntryKind.STEP, EntryKind.SLEEP]);
      return;
    }
    throw new Error("The service never went cold while the run slept.");
  });

  test("has others do a part, each in a run of its own, and takes them with it when it is cancelled", async () => {
    using ledger = client();
    expect(await ledger.bookAll(book)).toMatchObject({ booked: [7, 8, 9] });
    const started = await ledger.async.bookAll({ ...book, approval: "never" });
    await until("its children wait", async () => {
      const { journal } = await getRun(started.id);
      const states = await Promise.all(journal.map(({ operation }) => operation && stateOf(operation)));
      return states.length === 3 && states.every((state) => state === RunState.SLEEPING);
    });
    const { journal } = await getRun(started.id);
    await command("runs", "cancel", started.id, "--reason", "no audit");
    await expect(started.wait()).rejects.toMatchObject({
      status: "CANCELLED",
      message: "The run was cancelled: no audit.",
    });
    await until("its children are cancelled", async () => {
      const states = await Promise.all(journal.map(({ operation }) => stateOf(operation)));
      return states.every((state) => state === RunState.CANCELLED);
    });
  });

  test("that failed is retried from a step, with another version", async () => {
    using ledger = client();
    const started = await ledger.async.book({ ...book, fail: "The books do not balance." });
    await expect(started.wait()).rejects.toMatchObject({
      reason: "BOOK_REFUSED",
      message: "The books do not balance.",
    });
    expect(await command("runs", "retry", started.id, "--from", "2", "--version", "1.1.0")).toContain(
      "with 1.1.0",
    );
    await expect(started.wait()).rejects.toMatchObject({ reason: "BOOK_REFUSED" });
    const run = await getRun(started.id);
    expect(run).toMatchObject({ retries: 1, operation: { version: "1.1.0" } });
    const times = run.journal.map(({ recordedAtMs }) => recordedAtMs);
    expect(times[2]).toBeGreaterThan(run.operation?.startedAtMs ?? 0);
  });

  test("that is retried with a version of another path fails at the step that differs, and says what to do", async () => {
    using ledger = client();
    const started = await ledger.async.book({ ...book, fail: "The books do not balance." });
    await expect(started.wait()).rejects.toMatchObject({ reason: "BOOK_REFUSED" });
    await command("runs", "retry", started.id, "--from", "2", "--version", OTHER_PATH);
    await expect(started.wait()).rejects.toMatchObject({
      status: "FAILED_PRECONDITION",
      reason: "RUN_NOT_DETERMINISTIC",
      metadata: { index: "0" },
      message: expect.stringMatching(
        /at step 0 its journal has .*book 0.*, and now it is .*enter 0.*register the change as a new version.*run\.patched\("name"\)/,
      ),
    });
    expect(await command("runs", "show", started.id)).toContain("RUN_NOT_DETERMINISTIC");
    // What it did on the other path is forgotten; then the new one is as good.
    await command("runs", "retry", started.id, "--from", "0", "--version", OTHER_PATH);
    await expect(started.wait()).rejects.toMatchObject({ reason: "BOOK_REFUSED" });
    const { journal } = await getRun(started.id);
    expect(journal.map(({ entry }) => entry?.name)).toEqual(["enter 0", "enter 1", "enter 2"]);
  });

  test("keeps its version in the catalog, with which it goes on when the release has moved", async () => {
    using ledger = client();
    const started = await ledger.async.book({ ...book, approval: "sum" });
    await until("it sleeps", async () => (await stateOf(started.id)) === RunState.SLEEPING);
    await command("tag", SERVICE, "release", "1.1.0");
    const refused = `${SERVICE} 1.0.0 cannot be removed while 1 durable run (${started.id}) of it has not ended. Wait for it`;
    await until("it is refused", async () => {
      const { code, stderr } = await rouse(["unregister", SERVICE, "1.0.0", "--data", mesh.data]);
      expect(code).toBe(1);
      return stderr.includes(refused);
    });
    await command("runs", "answer", started.id, "sum", "24");
    expect(await started.wait()).toMatchObject({ version: "1.0.0", booked: [7, 8, 9, 24] });
    await until("it may go", async () => {
      const { code } = await rouse(["unregister", SERVICE, "1.0.0", "--data", mesh.data]);
      return code === 0;
    });
  });

  test("outlives the kill of everything at once", async () => {
    using ledger = client();
    const started = await ledger.async.book({ ...book, approval: "sum" });
    await until("it sleeps", async () => (await stateOf(started.id)) === RunState.SLEEPING);
    const { data } = mesh;
    await mesh.end("SIGKILL");
    mesh = await startMesh({ runtime: "process", data });
    await command("runs", "answer", started.id, "sum", "24");
    await until("it ends", async () => (await stateOf(started.id)) === RunState.SUCCEEDED);
    const { response } = await withClient(OperationsClient, mesh.orders, (orders) =>
      unary(orders, "getOperation", { id: started.id }),
    );
    expect(response.length).toBeGreaterThan(0);
  });
});

test("a result that is too large names artifacts", async () => {
  using ledger = client();
  await expect(ledger.book({ ...book, bytes: 17 * 2 ** 20 })).rejects.toMatchObject({
    reason: "RESULT_TOO_LARGE",
    message: expect.stringContaining("as an artifact, and pass its URI along"),
  });
});
