import { afterEach, expect, test } from "vitest";
import type { Activation } from "../registry/state.ts";
import {
  nextGeneration,
  startRig,
  startsWhatIsWanted,
  stopsWhatDrained,
  type TestRig,
} from "./testing/rig.ts";
import { manifest, version } from "./testing/state.ts";

let rig: TestRig;
afterEach(() => rig.close());

const service = "echo.v1.EchoService";
const limit = { timeout: 60_000 };
const activation = (change: Activation) =>
  rig.mesh.change(service, "1.0.0", (state) => ({ ...state, activation: change, instances: [] }));

/** A version whose Envoy has left generations 1 and 2 behind, and that is cold in the third. */
async function coldInThird(): Promise<void> {
  rig = await startRig({ prepare: (mesh) => mesh.put(version(manifest(service, "1.0.0"))) });
  const echo = await rig.echo(service, "one");
  startsWhatIsWanted(rig, () => echo.address);
  stopsWhatDrained(rig);
  for (const generation of [1, 2]) {
    await expect.poll(() => rig.client.echo(service), limit).toEqual({ text: "one:hi" });
    await expect.poll(() => rig.orchestrator.wanted.at(-1)?.generation, limit).toBe(generation);
    nextGeneration(rig, service, "1.0.0");
    await rig.envoy.until("/clusters", (text) => !text.includes(`#${generation}::`));
  }
  // As the orchestrator does it.
  rig.orchestrator.onBehind = ({ generation }) =>
    rig.mesh.change(service, "1.0.0", (state) => ({
      ...state,
      activation: { generation: generation + 1 },
    }));
}

test("when Consul goes back in time, calls are not sent to names that Envoy does not ask for again", async () => {
  await coldInThird();
  activation({ generation: 1, served: true });
  expect(await rig.client.echo(service)).toEqual({ text: "one:hi" });
  await expect
    .poll(() => rig.orchestrator.behind, limit)
    .toEqual([{ service, version: "1.0.0", generation: 3 }]);
  expect(await rig.client.echo(service)).toEqual({ text: "one:hi" });
  // The third was never asked for before: the call may have been quicker than the move to the fourth.
  const wanted = rig.orchestrator.wanted.map(({ generation }) => generation);
  expect(wanted.filter((generation) => generation < 3)).toEqual([1, 2]);
});

test("the same while no control plane was there: Envoy tells what it knows", async () => {
  await coldInThird();
  await rig.restartControl(async () => activation({ generation: 1 }));
  await expect.poll(() => rig.orchestrator.behind.at(-1)?.generation, limit).toBe(2);
  await expect
    .poll(() => rig.client.echo(service, "hi", { deadlineMs: 1_000 }), limit)
    .toEqual({ text: "one:hi" });
  expect(rig.orchestrator.wanted.at(-1)).toMatchObject({ generation: 3 });
});

test("a version that is registered anew in a Consul without memory is woken under a name that is new", async () => {
  await coldInThird();
  await rig.client.echo(service);
  rig.mesh.remove(service);
  await rig.envoy.until("/clusters", (text) => !text.includes("#3::"));
  rig.mesh.put(version(manifest(service, "1.0.0")));
  await expect.poll(() => rig.client.echo(service), limit).toEqual({ text: "one:hi" });
  await expect
    .poll(() => rig.orchestrator.behind, limit)
    .toEqual([{ service, version: "1.0.0", generation: 4 }]);
});
