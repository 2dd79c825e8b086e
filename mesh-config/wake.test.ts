import { afterEach, expect, test } from "vitest";
import { startRig, type TestRig } from "./testing/rig.ts";
import { instance, manifest, version } from "./testing/state.ts";

let rig: TestRig;
afterEach(() => rig.close());

const service = "echo.v1.EchoService";

test("a call to a cold version is held until an instance is ready", async () => {
  rig = await startRig({ prepare: (mesh) => mesh.put(version(manifest(service, "1.0.0"))) });
  const echo = await rig.echo(service, "one");
  rig.orchestrator.onWanted = (target) => {
    rig.orchestrator.ready(target, "i1", echo.address);
    rig.mesh.change(service, "1.0.0", (state) => ({
      ...state,
      instances: [instance("i1", 1, echo.address)],
    }));
  };
  expect(await rig.client.echo(service)).toEqual({ text: "one:hi" });
  expect(rig.orchestrator.wanted).toEqual([{ service, version: "1.0.0", generation: 1 }]);
  expect(await rig.inner.echo(service, "again")).toEqual({ text: "one:again" });
});
