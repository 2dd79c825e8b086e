import { describe, expect, test } from "vitest";
import type { InstanceState } from "../../registry/state.ts";
import { sampleManifest } from "../../registry/testing/sample.ts";
import type { AdvisedVersion } from "../adviser.ts";
import { ScalingAdviser } from "./adviser.ts";

const { descriptorSet: _, ...manifest } = sampleManifest();

function instance(id: string, over: Partial<InstanceState> = {}): InstanceState {
  const place = { host: "h", runtime: "process", address: `10.0.0.1:${id}` };
  return { id, generation: 1, ...place, healthy: true, draining: false, ...over };
}

interface Given {
  readonly instances?: readonly InstanceState[];
  readonly starting?: number;
  readonly inProgress?: number;
  readonly endpoints?: Record<string, number>;
  readonly untilMs: number;
  readonly max?: number;
}

function advised({ instances = [], starting = 0, inProgress = 0, endpoints = {}, untilMs, max = 20 }: Given) {
  const counts = (inProgress: number) => ({ inProgress, issued: inProgress, errors: 0 });
  return {
    service: manifest.service,
    version: manifest.version,
    state: {
      manifest: { ...manifest, maxInstances: max },
      deployment: { artifact: { kind: "bundle", digest: "d" }, env: {}, mounts: [], registeredAtMs: 0 },
      activation: { generation: 1 },
      instances,
    },
    load: {
      ...counts(inProgress),
      endpoints: new Map(Object.entries(endpoints).map(([address, calls]) => [address, counts(calls)])),
      untilMs,
      reportedMs: untilMs,
    },
    starting,
  } satisfies AdvisedVersion;
}

describe("ScalingAdviser", () => {
  test("has nothing to say of a cold version, and does not look at it again", () => {
    expect(new ScalingAdviser().advise(advised({ untilMs: 1_000 }), 1_000)).toEqual({});
  });

  test("asks for what the load needs with the report that brings it, and looks again", () => {
    const adviser = new ScalingAdviser();
    expect(adviser.advise(advised({ instances: [instance("1")], untilMs: 1_000 }), 1_000)).toEqual({
      desired: 1,
    });
    const busy = advised({ instances: [instance("1")], inProgress: 40, untilMs: 2_000 });
    expect(adviser.advise(busy, 2_000)).toEqual({ desired: 5, lookAgainMs: 3_000 });
  });

  test("leaves things as they are while nothing is reported", () => {
    const adviser = new ScalingAdviser();
    const instances = [instance("1"), instance("2")];
    const given = advised({ instances, starting: 1, untilMs: 0 });
    expect(adviser.advise(given, 1_000)).toEqual({ desired: 3, lookAgainMs: 2_000 });
  });

  test("instances that Consul lists and no agent runs, as when it was put back, are not made up for", () => {
    const running = new Set(["1"]);
    const adviser = new ScalingAdviser(undefined, (id) => running.has(id));
    const [one, two, ghost] = [instance("1"), instance("2"), instance("3")];
    // The second one is not listed yet.
    const given = advised({ instances: [one, ghost], starting: 1, untilMs: 1_000 });
    expect(adviser.advise(given, 1_000)).toMatchObject({ desired: 3 });
    running.add("2");
    expect(adviser.advise(advised({ instances: [one, two], untilMs: 2_000 }), 2_000)).toMatchObject({
      desired: 2,
    });
  });

  test("calls on instances that retire need no others", () => {
    const adviser = new ScalingAdviser();
    const retiring = instance("2", { draining: true });
    const load = { inProgress: 60, endpoints: { [retiring.address]: 55 } };
    const given = advised({ instances: [instance("1"), retiring], ...load, untilMs: 1_000 });
    expect(adviser.advise(given, 1_000)).toMatchObject({ desired: 1 });
  });

  test("remembers the load, each report once", () => {
    const adviser = new ScalingAdviser();
    const given = advised({ instances: [instance("1")], inProgress: 4, untilMs: 1_000 });
    adviser.advise(given, 1_000);
    adviser.advise(given, 1_200);
    const { samples, wanted } = adviser.load(manifest.service, manifest.version);
    expect(samples).toEqual([
      { atMs: 1_000, spanMs: 1_000, inProgress: 4, most: 4, issued: 4, instances: 1 },
    ]);
    expect(wanted).toMatchObject({ instances: 1, reason: "4 in progress" });
  });
});
