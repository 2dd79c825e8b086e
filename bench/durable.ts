import { EngineRig } from "../orders/runs/testing/rig.ts";
import { createLedgerServiceClient } from "../test/fixtures/ledger/gen/ledger/v1/ledger.client.ts";
import { startMesh } from "../test/support/mesh.ts";
import { makeProbe } from "../test/support/probe.ts";
import { startDbos } from "./durable/dbos.ts";
import { HOW, type Measured, measure, row } from "./durable/rounds.ts";
import { type BenchResult, round } from "./table.ts";

/** Durable calls beside plain and async ones, and the journal of orders beside DBOS. */
export default async function durable(): Promise<BenchResult[]> {
  return [await calls(), await engines()];
}

/** Through a whole mesh: caller, Envoy, orders, PostgreSQL, Envoy, instance. */
async function calls(): Promise<BenchResult> {
  const mesh = await startMesh({ runtime: "process" });
  try {
    const ledger = await makeProbe({ fixture: "ledger", cpu: 1 });
    await ledger.register(mesh.data);
    using client = createLedgerServiceClient({ target: mesh.edge });
    const request = { entries: 3, first: 1, restMs: 0, entryMs: 0, fail: "", bytes: 0, approval: "" };
    const found = await measure({
      plain: () => client.count(request),
      async: async () => (await client.async.count(request)).wait(),
      durable: () => client.book(request),
    });
    await ledger.remove();
    const value = found.durable.p50Ms;
    const over = round(found.async.p50Ms / found.plain.p50Ms);
    const beside = (path: string, one: Measured) => ({
      ...row(path, one),
      "p50 / plain": round(one.p50Ms / found.plain.p50Ms),
      "per second / plain": round(one.perSecond / found.plain.perSecond),
    });
    const share = Math.round((found.durable.perSecond / found.plain.perSecond) * 100);
    return {
      name: "Durable calls",
      about: `A call of three journaled steps beside the same as a plain and as an async call, on one host; ${HOW}. An async call, with its result fetched by a second request, takes ${over} times as long as a plain one; durable runs per second are ${share} % of plain calls.`,
      rows: [
        beside("plain call", found.plain),
        beside("async call and its result", found.async),
        beside("durable call of three steps", found.durable),
      ],
      figure: { name: "durable three-step call, p50 ms", value, goal: "≤ 10", met: value <= 10 },
    };
  } finally {
    await mesh.close();
  }
}

/** The same three-step runs of the same instance on the same database, without Envoy: only who keeps the journal differs. */
async function engines(): Promise<BenchResult> {
  const rig = await EngineRig.start();
  const dbos = await startDbos(rig.database.url, rig.address);
  try {
    const script = { steps: 3, ahead: true };
    const found = await measure({
      journal: () => rig.run(script),
      // Its end is a commit of its own, as a DBOS workflow records the result as one more step.
      apart: () => rig.run({ ...script, ahead: false }),
      dbos: () => dbos.run(script),
    });
    const value = found.apart.p50Ms / found.dbos.p50Ms;
    return {
      name: "Who keeps the journal",
      about: `Runs of three steps by one instance on one PostgreSQL, kept by orders' own journal and by DBOS Transact, whose workflow records each message of the instance, the result among them, as a step. With us the last step and the end share a commit; in the second row they do not, commit for step as with DBOS; ${HOW}.`,
      rows: [
        row("journal of orders", found.journal),
        row("journal of orders, the end by a commit of its own", found.apart),
        row("DBOS Transact", found.dbos),
      ],
      figure: { name: "journal of orders, commit for step / DBOS, p50", value, goal: "< 1", met: value < 1 },
    };
  } finally {
    await dbos.close();
    await rig.close();
  }
}
