import { afterEach, describe, expect, test } from "vitest";
import { callError } from "../sdk/grpc.ts";
import { nextGeneration, startRig, startsWhatIsWanted, type TestRig } from "./testing/rig.ts";
import { manifest, type TestMesh, version } from "./testing/state.ts";

/* Calls are held for a cold version, and what they wait for cannot come any more: they are told so at once. */

let rig: TestRig;
afterEach(() => rig.close());

const service = "echo.v1.EchoService";
const number = "1.0.0";
/** So far that a call which is only ended by it shows in the answer. */
const deadlineMs = 120_000;

const gone = {
  status: "NOT_FOUND",
  reason: "VERSION_UNKNOWN",
  message: `${service} ${number} was unregistered while the call waited for it. Ask for another version; "rouse services" lists those there are.`,
};
const stopped = {
  status: "UNAVAILABLE",
  reason: "VERSION_STOPPED",
  message: `${service} ${number} is stopped by an administrator: it is moved ("rouse start ${service} ${number}" lets it run again)`,
};
const denied = {
  status: "PERMISSION_DENIED",
  reason: "APPROVAL_DENIED",
  message: `${service} ${number} was denied approval to run. Call another version; "rouse reviews" says who denied it and why.`,
};
const pending = {
  status: "FAILED_PRECONDITION",
  reason: "APPROVAL_PENDING",
  message: `${service} ${number} awaits approval and does not run until then. Call another version; "rouse reviews" shows what is open.`,
};

const stop = (mesh: TestMesh, generations: number) =>
  mesh.change(service, number, (state) => ({
    ...state,
    activation: {
      generation: state.activation.generation + generations,
      stopped: { reason: "it is moved", atMs: 0 },
    },
  }));
const bar = (mesh: TestMesh, approval: "pending" | "denied") =>
  mesh.change(service, number, (state) => ({ ...state, approval, barred: true }));

const cases = [
  ["is stopped", stopped, (mesh) => stop(mesh, 0)],
  ["is stopped and moves on", stopped, (mesh) => stop(mesh, 1)],
  ["is denied approval", denied, (mesh) => bar(mesh, "denied")],
  ["must be approved first", pending, (mesh) => bar(mesh, "pending")],
  ["is removed", gone, (mesh) => mesh.removeVersion(service, number)],
  ["is removed with its service", gone, (mesh) => mesh.remove(service)],
] satisfies [string, object, (mesh: TestMesh) => void][];

/** Starts a call on each listener, and returns once they are held. */
async function hold() {
  rig = await startRig({
    prepare: (mesh) => {
      mesh.put(version(manifest(service, number)));
      mesh.put(version(manifest(service, "2.0.0")));
    },
  });
  const calls = [rig.client, rig.inner].map((client) =>
    client.echo(service, "hi", { version: number, deadlineMs }),
  );
  await expect.poll(() => rig.orchestrator.wanted.length, { timeout: 60_000 }).toBe(1);
  return async () =>
    (await Promise.all(calls)).map((answer) => ("error" in answer ? callError(answer.error) : answer));
}

describe.each(cases)("a call that is held for a version which %s", (_, reason, change) => {
  const expected = [expect.objectContaining(reason), expect.objectContaining(reason)];

  test("is told so", async () => {
    const told = await hold();
    change(rig.mesh);
    expect(await told()).toEqual(expected);
    expect(rig.orchestrator.wanted).toHaveLength(1);
  });

  test("is told so when its version had moved on before", async () => {
    const told = await hold();
    nextGeneration(rig, service, number);
    await expect.poll(() => rig.orchestrator.wanted.length, { timeout: 60_000 }).toBe(2);
    change(rig.mesh);
    expect(await told()).toEqual(expected);
  });

  test("is told so when no control plane was there meanwhile", async () => {
    const told = await hold();
    await rig.restartControl(async () => change(rig.mesh));
    expect(await told()).toEqual(expected);
    expect(rig.orchestrator.wanted).toHaveLength(1);
  });
});

/** Registers the version, and waits until its calls are answered by an instance. */
async function putAgain() {
  const echo = await rig.echo(service, "one");
  startsWhatIsWanted(rig, () => echo.address);
  // As the orchestrator does it.
  rig.orchestrator.onBehind = ({ generation }) =>
    rig.mesh.change(service, number, (state) => ({ ...state, activation: { generation: generation + 1 } }));
  rig.mesh.put(version(manifest(service, number)));
  await expect
    .poll(() => rig.client.echo(service, "hi", { version: number }), { timeout: 60_000 })
    .toEqual({ text: "one:hi" });
}

test("a version that is approved again is woken under a name that Envoy has not seen", async () => {
  const told = await hold();
  bar(rig.mesh, "denied");
  await told();
  await putAgain();
});

test("a version that is registered again is not answered for by what ended the calls before", async () => {
  const told = await hold();
  await rig.restartControl(async () => rig.mesh.remove(service));
  await told();
  await putAgain();
});
