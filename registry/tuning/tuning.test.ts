import { afterAll, beforeAll, expect, test } from "vitest";
import { ProvidersClient } from "#proto/rouse/registry/v1/providers.ts";
import { ReleasesClient } from "#proto/rouse/registry/v1/releases.ts";
import {
  type SetTuningRequest,
  type TunedVersion,
  TuningClient,
  TuningSource_Kind,
} from "#proto/rouse/registry/v1/tuning.ts";
import { unary } from "../../sdk/grpc.ts";
import { tuningKey } from "../keys.ts";
import { readKey, writeKey } from "../kv.ts";
import { failure, type Rig, startRig } from "../testing/rig.ts";
import { sampleManifest, sampleRequest } from "../testing/sample.ts";
import { watchMesh } from "../watch.ts";

let rig: Rig;
let client: TuningClient;
beforeAll(async () => {
  rig = await startRig();
  client = rig.connect(TuningClient, rig.key);
});
afterAll(() => rig?.close());

const service = "tuned.v1.S";
const register = (version: string) =>
  unary(rig.client, "registerVersion", sampleRequest(sampleManifest({ service, version })));
const tune = (request: Partial<SetTuningRequest>) =>
  unary(client, "setTuning", {
    service,
    version: "",
    settings: undefined,
    reset: [],
    resetAll: false,
    ...request,
  });
const sourceOf = (tuned: TunedVersion | undefined, field: string) =>
  tuned?.sources.find((source) => source.field === field);

test("values stand above the contract for one version, for all, and go again", async () => {
  await register("1.0.0");
  await register("2.0.0");
  const one = await tune({ version: "1.0.0", settings: { targetConcurrency: 3 } });
  expect(one.changes).toEqual(["target_concurrency of the contract → 3"]);
  expect(one.versions).toMatchObject([
    { version: "1.0.0", settings: { targetConcurrency: 3, maxInstances: 4 } },
  ]);
  expect(sourceOf(one.versions[0], "target_concurrency")).toMatchObject({
    kind: TuningSource_Kind.VERSION,
    by: "administrator",
  });

  const all = await tune({ settings: { targetConcurrency: 7, maxInstances: 9 } });
  expect(all.versions.map(({ version, settings }) => [version, settings?.targetConcurrency])).toEqual([
    ["2.0.0", 7],
    ["1.0.0", 3],
  ]);
  expect((await tune({ settings: { maxInstances: 9 } })).changes).toEqual([]);
  // Also those that come later.
  await register("3.0.0");
  const { versions } = await unary(client, "getTuning", { service, version: "3.0.0" });
  expect(sourceOf(versions[0], "max_instances")?.kind).toBe(TuningSource_Kind.SERVICE);
  expect(sourceOf(versions[0], "high_watermark")?.kind).toBe(TuningSource_Kind.DEFAULT);

  const back = await tune({ reset: ["target_concurrency"] });
  expect(back.changes).toEqual(["target_concurrency 7 → of the contract"]);
  expect((await tune({ resetAll: true })).changes).toEqual(["max_instances 9 → of the contract"]);
  expect(await readKey(rig.kv, tuningKey(service, "*"))).toBeUndefined();

  const { entries } = await unary(rig.connect(ReleasesClient, undefined), "listHistory", {
    service,
    limit: 10,
  });
  expect(entries[0]).toMatchObject({
    by: "administrator",
    what: "tuned",
    version: "",
    detail: "max_instances 9 → of the contract",
  });
});

test("readers of the mesh's state get the tuned manifest, the same object while nothing changes", async () => {
  const watch = watchMesh(rig.kv);
  await watch.ready;
  const shown = () => watch.current().services.get(service)?.versions.get("2.0.0");
  const seen = async (target: number) => {
    while (shown()?.manifest.targetConcurrency !== target) await new Promise((done) => setTimeout(done, 5));
  };
  try {
    await tune({ version: "2.0.0", settings: { targetConcurrency: 2 } });
    await seen(2);
    const before = shown();
    expect(before?.tuning?.contract.targetConcurrency).toBe(10);
    await tune({ version: "1.0.0", settings: { targetConcurrency: 5 } });
    await register("4.0.0");
    expect(shown()).toBe(before);
    await tune({ version: "2.0.0", resetAll: true });
    await seen(10);
    expect(shown()?.tuning).toBeUndefined();
  } finally {
    watch.close();
  }
});

test("a value that nobody can read leaves the last good one", async () => {
  await tune({ version: "2.0.0", settings: { maxInstances: 2 } });
  await writeKey(rig.kv, tuningKey(service, "2.0.0"), '{"settings":{"maxInstances":"many"}}');
  const { versions } = await unary(client, "getTuning", { service, version: "2.0.0" });
  expect(versions[0]?.settings?.maxInstances).toBe(2);
  await writeKey(rig.kv, tuningKey(service, "2.0.0"), '{"settings":{},"by":"x","atMs":1}');
});

test("an unregistered version leaves nothing behind", async () => {
  await tune({ version: "3.0.0", settings: { maxInstances: 2 } });
  await unary(rig.client, "removeVersion", { service, version: "3.0.0" });
  expect(await readKey(rig.kv, tuningKey(service, "3.0.0"))).toBeUndefined();
});

test.each<[string, Partial<SetTuningRequest>, string, string]>([
  [
    "a value out of range",
    { settings: { targetConcurrency: 0 } },
    "TUNING_INVALID",
    "target_concurrency 0 is out of range: it may be 1 to 10000.",
  ],
  [
    "several values out of range",
    { settings: { stableWindowMs: 1, idleTimeoutMs: 1, highWatermark: 2 } },
    "TUNING_INVALID",
    "high_watermark 2 is out of range: it may be 0.1 to 1. stable_window 1ms is out of range: it may be 2s to 1h. idle_timeout 1ms is out of range: it may be 1s to 24h, or never.",
  ],
  [
    "a contradiction",
    { version: "1.0.0", settings: { minInstances: 9 } },
    "TUNING_INVALID",
    "tuned.v1.S 1.0.0 cannot be tuned so: min_instances 9 would be more than max_instances 4. Set both, or take the other one back by --reset.",
  ],
  [
    "a field that is none",
    { reset: ["colour"] },
    "TUNING_INVALID",
    "colour cannot be tuned. What can: target_concurrency, min_instances, max_instances, high_watermark, low_watermark, stable_window, panic_window, scale_down_delay, idle_timeout, workers, pin_cores.",
  ],
  [
    "an unknown version",
    { version: "9.0.0", resetAll: true },
    "VERSION_UNKNOWN",
    "tuned.v1.S has no version",
  ],
  ["an unknown service", { service: "no.v1.S", resetAll: true }, "SERVICE_UNKNOWN", "no.v1.S"],
])("%s is refused", async (_, request, reason, message) => {
  const error = await failure(tune(request));
  expect(error.reason).toBe(reason);
  expect(error.message).toContain(message);
});

test("who does not own the service may not tune it", async () => {
  const providers = rig.connect(ProvidersClient, rig.key);
  const { key } = await unary(providers, "createProvider", { id: "stranger", name: "", contact: "" });
  const stranger = rig.connect(TuningClient, key);
  const request = { service, version: "", settings: { maxInstances: 2 }, reset: [], resetAll: false };
  expect((await failure(unary(stranger, "setTuning", request))).reason).toBe("NOT_YOUR_SERVICE");
  const nobody = rig.connect(TuningClient, undefined);
  expect((await failure(unary(nobody, "setTuning", request))).reason).toBe("KEY_MISSING");
});
