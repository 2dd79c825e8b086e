import { describe, expect, test } from "vitest";
import { manifest, version } from "../mesh-config/testing/state.ts";
import type { Activation, InstanceState, VersionManifest } from "../registry/state.ts";
import { joinAdvice, noAdvice } from "./adviser.ts";
import { type PlanContext, planVersion, type VersionView } from "./plan.ts";

const service = "a.v1.A";
const target = (generation: number) => ({ service, version: "1.0.0", generation });

function instance(id: string, generation: number, over: Partial<InstanceState> = {}): InstanceState {
  const place = { host: "h", runtime: "process", address: `127.0.0.1:${id.length}` };
  return { id, generation, ...place, healthy: true, draining: false, ...over };
}

function frozen(id: string, generation: number, sinceMs = 900_000, lastUsedMs = sinceMs): InstanceState {
  return instance(id, generation, { standby: { sinceMs, lastUsedMs } });
}

interface Given extends Partial<Omit<VersionView, "state">> {
  readonly activation?: Activation;
  readonly instances?: readonly InstanceState[];
  readonly manifest?: Partial<VersionManifest>;
  readonly barred?: true;
}

function plan(given: Given) {
  const { activation = { generation: 2 }, instances = [], manifest: over = {}, barred, ...rest } = given;
  const view: VersionView = {
    service,
    version: "1.0.0",
    state: {
      ...version(manifest(service, "1.0.0", over), activation, instances),
      ...(barred && { barred }),
    },
    starting: [],
    stopping: new Set(),
    wantedSinceMs: undefined,
    sentAhead: new Set(),
    lastActiveMs: 950_000,
    load: {
      inProgress: 0,
      issued: 0,
      errors: 0,
      endpoints: new Map(),
      untilMs: 1_000_000,
      reportedMs: 1_000_000,
    },
    drained: () => false,
    drainingSinceMs: () => 0,
    retiringSinceMs: () => 0,
    startAgainMs: 0,
    advice: noAdvice,
    ...rest,
  };
  return planVersion(view, context);
}

const context: PlanContext = { nowMs: 1_000_000, stopDrainMs: 30_000, place: () => ({ host: "h" }) };
const actions = (given: Given) => plan(given).actions;
const drained = () => true;
const suspend = (one: InstanceState, reason = "idle") => ({
  kind: "suspend",
  target: target(2),
  instance: one,
  lastUsedMs: 950_000,
  reason,
});
const stop = (one: InstanceState, reason: string) => ({
  kind: "stop",
  target: target(one.generation),
  instance: one,
  reason,
});
const resume = (one: InstanceState) => ({ kind: "resume", target: target(2), instance: one });

describe("an instance that is not needed any more", () => {
  test("is frozen once its generation has drained, for the generation that routes point to", () => {
    const one = instance("i", 1);
    expect(actions({ instances: [one] })).toEqual([]);
    expect(actions({ instances: [one], drained })).toEqual([suspend(one)]);
  });

  test("is stopped where enough are frozen, none shall be, or it cannot be", () => {
    const one = instance("i", 1);
    const idle = [stop(one, "idle")];
    expect(actions({ instances: [one, frozen("f", 2)], drained })).toEqual(idle);
    expect(
      actions({ instances: [one], drained, manifest: { standby: { instances: 0, keepMs: 60_000 } } }),
    ).toEqual(idle);
    const thread = instance("t", 1, { runtime: "in-process" });
    expect(actions({ instances: [thread], drained })).toEqual([stop(thread, "idle")]);
    expect(actions({ instances: [{ ...one, healthy: false }], drained })).toEqual([
      stop({ ...one, healthy: false }, "idle"),
    ]);
  });

  test("as many are frozen as the contract says", () => {
    const all = [instance("a", 1), instance("b", 1), instance("c", 1)];
    const two = { standby: { instances: 2, keepMs: 60_000 } };
    expect(actions({ instances: all, drained, manifest: two })).toEqual([
      suspend(instance("a", 1)),
      suspend(instance("b", 1)),
      stop(instance("c", 1), "idle"),
    ]);
  });

  test("is frozen as well when others of its generation go on", () => {
    const stays = instance("stays", 2);
    const goes = instance("goes", 2, { draining: true, retiring: true });
    expect(actions({ activation: { generation: 2, served: true }, instances: [stays, goes] })).toEqual([
      suspend(goes, "retired"),
    ]);
    // Not where it must leave its host.
    const leaving = new Map([["goes", { reason: "host h drains" }]]);
    expect(
      actions({
        activation: { generation: 2, served: true },
        instances: [stays, goes],
        advice: joinAdvice([{ leaving }]),
      }),
    ).toEqual([stop(goes, "retired")]);
  });
});

describe("a version with an instance on standby", () => {
  test("is cold: nothing happens until its time is over", () => {
    const one = frozen("f", 2, 900_000);
    const { actions: none, lookAgainMs } = plan({ instances: [one] });
    expect(none).toEqual([]);
    expect(lookAgainMs).toBe(900_000 + 1_800_000);
    const short = { standby: { instances: 1, keepMs: 100_000 } };
    expect(actions({ instances: [one], manifest: short })).toEqual([
      stop(one, "its time on standby is over"),
    ]);
  });

  test("resumes it for held calls, the one that was used last, of whatever generation", () => {
    const older = frozen("older", 1, 900_000, 100);
    const newer = frozen("newer", 2, 900_000, 200);
    const manifest = { standby: { instances: 2, keepMs: 1_800_000 } };
    const instances = [older, newer];
    expect(actions({ instances, manifest, wantedSinceMs: 999_000 })).toEqual([resume(newer)]);
    expect(actions({ instances: [older], manifest, wantedSinceMs: 999_000 })).toEqual([resume(older)]);
  });

  test("takes over one that still runs before it thaws one", () => {
    const runs = instance("runs", 1);
    expect(actions({ instances: [frozen("f", 2), runs], wantedSinceMs: 999_000 })).toEqual([
      { kind: "adopt", target: target(2), instance: runs },
    ]);
  });

  test("thaws it where the load or the minimum asks for more", () => {
    const serves = instance("serves", 2);
    const one = frozen("f", 2);
    const activation = { generation: 2, served: true };
    const advice = joinAdvice([{ desired: 2 }]);
    expect(actions({ activation, instances: [serves, one], advice })).toEqual([resume(one)]);
    expect(actions({ instances: [one], manifest: { minInstances: 1 } })).toEqual([resume(one)]);
  });

  test("thaws what calls were sent to already, whatever else is the matter", () => {
    const one = frozen("f", 2, 0);
    const sentAhead = new Set(["f"]);
    expect(actions({ instances: [one], sentAhead })).toEqual([resume(one)]);
    expect(actions({ instances: [instance("serves", 2), one], sentAhead })).toEqual([resume(one)]);
    const failure = { status: "UNAVAILABLE", message: "m", retryAtMs: 2_000_000 };
    expect(actions({ activation: { generation: 2, failure }, instances: [one], sentAhead })).toEqual([
      resume(one),
    ]);
  });

  test("moves on when that one is gone, for Envoys know the generation", () => {
    const gone = [{ kind: "next-generation", target: target(2), reason: "its last instance ended" }];
    const sentAhead = new Set(["f"]);
    expect(actions({ instances: [], sentAhead, wantedSinceMs: 999_000 })).toEqual(gone);
    const stopping = new Set(["f"]);
    expect(actions({ instances: [frozen("f", 2)], stopping, sentAhead, wantedSinceMs: 999_000 })).toEqual(
      gone,
    );
    // Another one may be thawed then, in the next generation.
    expect(actions({ instances: [frozen("g", 2)], sentAhead, wantedSinceMs: 999_000 })).toEqual(gone);
  });

  test("stops it with the version, with its host, and where fewer shall be kept", () => {
    const one = frozen("f", 2);
    const stopped = { reason: "r", atMs: 0 };
    expect(actions({ activation: { generation: 3, stopped }, instances: [one] })).toEqual([
      stop(one, "stopped by an administrator"),
    ]);
    expect(actions({ instances: [one], barred: true })).toEqual([stop(one, "it may not run")]);
    const leaving = new Map([["f", { reason: "host h drains" }]]);
    expect(actions({ instances: [one], advice: joinAdvice([{ leaving }]) })).toEqual([
      stop(one, "host h drains"),
    ]);
    const none = { standby: { instances: 0, keepMs: 60_000 } };
    expect(actions({ instances: [one], manifest: none })).toEqual([stop(one, "enough are on standby")]);
  });
});
