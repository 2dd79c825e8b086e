import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { State } from "#proto/rouse/registry/v1/registry.ts";
import { unary } from "../sdk/grpc.ts";
import { updateActivation } from "./activation.ts";
import { sweepBlobs, writeBlob } from "./descriptor-blobs.ts";
import { deregisterInstance, registerInstance, setInstanceHealth } from "./instances.ts";
import { blobFolder } from "./keys.ts";
import { listKeyNames } from "./kv.ts";
import { failure, type Rig, startRig } from "./testing/rig.ts";
import { sampleManifest, sampleRequest } from "./testing/sample.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig?.close());

const register = (options: Parameters<typeof sampleManifest>, changes = {}) =>
  unary(rig.client, "registerVersion", sampleRequest(sampleManifest(...options), changes));
const list = async (service: string) => {
  const { services } = await unary(rig.client, "listServices", { service });
  return services[0];
};
const setTag = (service: string, name: string, ...versions: [string, number][]) =>
  unary(rig.client, "setTag", {
    service,
    tag: { name, versions: versions.map(([version, weight]) => ({ version, weight })) },
  });

describe("registering", () => {
  test("a version, its tags, the same again", async () => {
    const service = "first.v1.S";
    expect(await register([{ service }], { tags: ["dev", "release"] })).toEqual({
      service,
      version: "1.0.0",
      created: true,
    });
    expect(await list(service)).toMatchObject({
      name: service,
      versions: [{ version: "1.0.0", state: State.COLD, reason: "", external: true, generation: 1 }],
      tags: [
        { name: "dev", versions: [{ version: "1.0.0", weight: 1 }] },
        { name: "release", versions: [{ version: "1.0.0", weight: 1 }] },
      ],
    });
    expect((await register([{ service }], { tags: ["beta"] })).created).toBe(false);
    expect((await list(service))?.tags.map(({ name }) => name)).toEqual(["beta", "dev", "release"]);
  });

  test("without tags sets none, and the newest version comes first", async () => {
    const service = "untagged.v1.S";
    for (const version of ["1.2.0", "1.10.0", "2.0.0-rc.1"]) await register([{ service, version }]);
    const found = await list(service);
    expect(found?.tags).toEqual([]);
    expect(found?.versions.map(({ version }) => version)).toEqual(["2.0.0-rc.1", "1.10.0", "1.2.0"]);
  });

  test("other content under the same version is refused, by field", async () => {
    const service = "same.v1.S";
    await register([{ service }]);
    const manifest = sampleManifest({ service });
    const other = { ...manifest, resources: { ...manifest.resources, memory: 2 ** 28 } };
    const error = await failure(
      unary(rig.client, "registerVersion", sampleRequest(other, { env: { MODE: "fast" } })),
    );
    expect(error).toMatchObject({ status: "ALREADY_EXISTS", reason: "VERSION_EXISTS" });
    expect(error.message).toBe(
      'same.v1.S 1.0.0 is registered with other content. What differs: resources.memory (registered: 134217728, now: 268435456); env.MODE (registered: none, now: "fast"). A registered version never changes: give this one a new number in its contract, such as 1.0.1, and register that.',
    );
    const deadline = { ...manifest, methods: manifest.methods.map((m) => ({ ...m, deadlineMs: 5 })) };
    expect((await failure(unary(rig.client, "registerVersion", sampleRequest(deadline)))).message).toContain(
      "methods.Echo.deadlineMs (registered: 10000, now: 5); methods.Watch.deadlineMs",
    );
    expect((await failure(register([{ service, descriptorBytes: 10 }]))).message).toContain(
      "What differs: the descriptor set (messages, comments or options of the contract)",
    );
    // The losing content left nothing behind.
    expect(await listKeyNames(rig.kv, `rouse/blobs/${service}/`)).toHaveLength(2);
  });

  test("two writers of different content: one wins, nothing of the other stays", async () => {
    const service = "race.v1.S";
    const tries = Array.from({ length: 8 }, (_, i) => register([{ service, descriptorBytes: i * 1000 + 1 }]));
    const results = await Promise.allSettled(tries);
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const result of results) {
      if (result.status === "rejected") expect(result.reason).toMatchObject({ reason: "VERSION_EXISTS" });
    }
    expect(await listKeyNames(rig.kv, `rouse/blobs/${service}/`)).toHaveLength(2);
  });

  test("ten versions at once all get in", async () => {
    const service = "many.v1.S";
    const versions = Array.from({ length: 10 }, (_, i) => `1.${i}.0`);
    await Promise.all(
      versions.map((version) => register([{ service, version }], { tags: [`t${version[2]}`] })),
    );
    const found = await list(service);
    expect(found?.versions.map(({ version }) => version)).toEqual(versions.toReversed());
    expect(found?.tags).toHaveLength(10);
  });

  test("names that differ by case only", async () => {
    await register([{ service: "casing.v1.Service" }]);
    const error = await failure(register([{ service: "casing.v1.SERVICE" }]));
    expect(error).toMatchObject({ status: "ALREADY_EXISTS", reason: "SERVICE_NAME_TAKEN" });
    expect(error.message).toBe(
      "casing.v1.SERVICE differs only by case from casing.v1.Service, which is registered; Consul cannot tell them apart. Rename the service in its contract.",
    );
  });

  test("a descriptor set of 1.5 MB comes back whole", async () => {
    const manifest = sampleManifest({ service: "large.v1.S", descriptorBytes: 1_500_000 });
    await unary(rig.client, "registerVersion", sampleRequest(manifest));
    const back = await unary(rig.client, "getManifest", { service: "large.v1.S", spec: "1" });
    expect(JSON.parse(Buffer.from(back.manifest).toString())).toEqual(manifest);
    expect(back.artifact?.kind).toMatchObject({ $case: "image", value: { name: "sample:1" } });
    // Three parts and the marker.
    expect(await listKeyNames(rig.kv, "rouse/blobs/large.v1.S/")).toHaveLength(4);
  });

  test.each<[string, Parameters<typeof sampleManifest>[1], object, string, string]>([
    ["schema", { owner: "" }, {}, "MANIFEST_INVALID", "The manifest breaks its schema: owner: "],
    ["instances", { minInstances: 5 }, {}, "MANIFEST_INVALID", "at least 5 and at most 4 instances"],
    [
      "no descriptor",
      { descriptorSet: "" },
      {},
      "DESCRIPTOR_SET_INVALID",
      "The manifest has no descriptor set. Run",
    ],
    ["descriptor", { descriptorSet: "AAAA" }, {}, "DESCRIPTOR_SET_INVALID", "cannot be decoded"],
    [
      "service",
      { service: "other.v1.S" },
      {},
      "DESCRIPTOR_SET_INVALID",
      "its descriptor set has only sample.v1.EchoService",
    ],
    ["tag", {}, { tags: ["Beta"] }, "TAG_INVALID", '"Beta" cannot be a tag: it must be 1 to 63 lower-case'],
    [
      "tag like a version",
      {},
      { tags: ["v1"] },
      "TAG_INVALID",
      '"v1" cannot be a tag: it reads as a version',
    ],
    ["no artifact", {}, { artifact: undefined }, "ARTIFACT_INVALID", "Nothing says what to run"],
    [
      "digest",
      {},
      { artifact: { kind: { $case: "bundle", value: "abc" } } },
      "ARTIFACT_INVALID",
      '"abc" is no digest',
    ],
    [
      "image",
      {},
      { artifact: { kind: { $case: "image", value: { name: "a b", port: 0, command: [] } } } },
      "ARTIFACT_INVALID",
      '"a b" is no name of an image',
    ],
    [
      "port",
      {},
      { artifact: { kind: { $case: "image", value: { name: "a", port: 70_000, command: [] } } } },
      "ARTIFACT_INVALID",
      "70000 is no port",
    ],
    ["env name", {}, { env: { "A-B": "" } }, "ENV_INVALID", '"A-B" is no name of an environment variable'],
    ["env of Rouse", {}, { env: { ROUSE_MESH: "" } }, "ENV_INVALID", "ROUSE_MESH is set by Rouse"],
    ["env value", {}, { env: { A: "\0" } }, "ENV_INVALID", "holds a NUL"],
    [
      "mount",
      {},
      { mounts: [{ source: "data", target: "" }] },
      "MOUNT_INVALID",
      '"data" cannot be mounted. Give an absolute path',
    ],
    [
      "mount up",
      {},
      { mounts: [{ source: "/a/../etc", target: "" }] },
      "MOUNT_INVALID",
      '"/a/../etc" cannot be mounted',
    ],
    ["mount root", {}, { mounts: [{ source: "/a", target: "/" }] }, "MOUNT_INVALID", "cannot cover /"],
    [
      "mounts",
      {},
      {
        mounts: [
          { source: "/a", target: "/x" },
          { source: "/b", target: "/x" },
        ],
      },
      "MOUNT_INVALID",
      "Two mounts share the target /x",
    ],
  ])("what is wrong is named: %s", async (_, manifest, changes, reason, text) => {
    const error = await failure(register([{}, manifest], changes));
    expect(error).toMatchObject({ status: "INVALID_ARGUMENT", reason });
    expect(error.message).toContain(text);
  });

  test("methods that the contract lacks or tells otherwise", async () => {
    const manifest = sampleManifest();
    const [echo, watch] = manifest.methods;
    if (echo === undefined || watch === undefined) throw new Error("the sample has two methods");
    const methods = [
      { ...echo, serverStreaming: true },
      { ...watch, name: "Look" },
    ];
    expect((await failure(register([{}, { methods }]))).message).toBe(
      'Manifest and descriptor set of sample.v1.EchoService disagree: Echo.serverStreaming is true in the manifest and false in the descriptor set; Watch is missing in the manifest; Look is missing in the descriptor set. Run "rouse gen" to write the manifest anew.',
    );
  });

  test("what is no manifest at all, or too large", async () => {
    const send = (manifest: Buffer) =>
      failure(unary(rig.client, "registerVersion", sampleRequest(sampleManifest(), { manifest })));
    expect((await send(Buffer.from("{"))).message).toContain("The manifest is not JSON");
    expect((await send(Buffer.from([0xff]))).message).toContain("The manifest is not UTF-8");
    expect(await send(Buffer.alloc(9 * 2 ** 20))).toMatchObject({ reason: "MANIFEST_TOO_LARGE" });
    const docs = await failure(register([{}, { description: "x".repeat(99_000), methods: longMethods() }]));
    expect(docs).toMatchObject({ status: "RESOURCE_EXHAUSTED", reason: "ENTRY_TOO_LARGE" });
    expect(docs.message).toMatch(/take \d+ KB; \d+ KB fit into the catalog/);
  });

  test("a bundle that was not uploaded", async () => {
    const artifact = { kind: { $case: "bundle", value: "a".repeat(64) } };
    const error = await failure(register([{}], { artifact }));
    expect(error).toMatchObject({ status: "FAILED_PRECONDITION", reason: "BUNDLE_UNKNOWN" });
  });
});

function longMethods() {
  return sampleManifest().methods.map((method) => ({ ...method, docs: "y".repeat(150_000) }));
}

describe("specs", () => {
  const service = "specs.v1.S";
  beforeAll(async () => {
    for (const version of ["1.0.0", "1.2.3", "1.3.0", "2.0.0", "3.0.0-beta.1"])
      await register([{ service, version }]);
    await setTag(service, "dev", ["3.0.0-beta.1", 1]);
    await setTag(service, "split", ["1.0.0", 10], ["2.0.0", 90]);
  });

  test.each([
    ["1.0.0", "1.0.0"],
    ["1", "1.3.0"],
    ["1.2", "1.2.3"],
    ["^1.0.0", "1.3.0"],
    ["~1.2.0", "1.2.3"],
    ["^3.0.0-beta.0", "3.0.0-beta.1"],
    ["dev", "3.0.0-beta.1"],
    ["split", "2.0.0"],
    ["", "2.0.0"],
  ])("%j is %s", async (spec, version) => {
    expect((await unary(rig.client, "getManifest", { service, spec })).version).toBe(version);
  });

  test("the empty spec follows the tag release once there is one", async () => {
    await setTag(service, "release", ["1.0.0", 1]);
    expect((await unary(rig.client, "getManifest", { service, spec: "" })).version).toBe("1.0.0");
  });

  test.each(["3", "^4", "nope", ">=1", "1.x", "01", "constructor"])(
    "%j is NOT_FOUND with what there is",
    async (spec) => {
      const error = await failure(unary(rig.client, "getManifest", { service, spec }));
      expect(error).toMatchObject({ status: "NOT_FOUND", reason: "VERSION_UNKNOWN" });
      expect(error.message).toBe(
        `specs.v1.S has no version ${spec}. Versions: 3.0.0-beta.1, 2.0.0, 1.3.0, 1.2.3, 1.0.0; tags: dev, release, split.`,
      );
    },
  );

  test("a service of prereleases has no default", async () => {
    await register([{ service: "early.v1.S", version: "1.0.0-rc.1" }]);
    const error = await failure(unary(rig.client, "getManifest", { service: "early.v1.S", spec: "" }));
    expect(error.message).toBe(
      "early.v1.S has no release: only prereleases. Versions: 1.0.0-rc.1; tags: none.",
    );
  });

  test("an unknown service, and one misspelt by case", async () => {
    const error = await failure(unary(rig.client, "getManifest", { service: "x.Y", spec: "" }));
    expect(error).toMatchObject({ status: "NOT_FOUND", reason: "SERVICE_UNKNOWN" });
    expect(error.message).toMatch(/^No service x\.Y is registered\. Services: .*specs\.v1\.S/);
    expect((await failure(list("SPECS.v1.S"))).message).toContain("Did you mean specs.v1.S?");
  });
});

describe("tags", () => {
  const service = "tags.v1.S";
  beforeAll(async () => {
    for (const version of ["1.0.0", "2.0.0"]) await register([{ service, version }]);
  });

  test("set, split, put back, taken away", async () => {
    expect((await setTag(service, "beta", ["1.0.0", 1])).previous).toEqual([]);
    const split = await setTag(service, "beta", ["1.0.0", 95], ["2.0.0", 5]);
    expect(split.previous).toEqual([{ version: "1.0.0", weight: 1 }]);
    expect((await list(service))?.tags).toEqual([
      {
        name: "beta",
        versions: [
          { version: "1.0.0", weight: 95 },
          { version: "2.0.0", weight: 5 },
        ],
      },
    ]);
    expect((await setTag(service, "beta")).previous).toHaveLength(2);
    expect((await list(service))?.tags).toEqual([]);
  });

  test("different tags at once do not disturb each other; the same tag does", async () => {
    await Promise.all(["a", "b", "c", "d"].map((tag) => setTag(service, tag, ["1.0.0", 1])));
    expect((await list(service))?.tags).toHaveLength(4);
    const weights = Array.from({ length: 12 }, (_, i) => i + 1);
    const results = await Promise.allSettled(
      weights.map((weight) => setTag(service, "a", ["2.0.0", weight])),
    );
    const lost = results.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
    expect(lost.length).toBeGreaterThan(0);
    expect(lost.length).toBeLessThan(12);
    for (const error of lost) {
      expect(error).toMatchObject({ status: "ABORTED", reason: "TAG_CHANGED" });
      expect(error.message).toMatch(
        /^Somebody else changed the tag a of tags\.v1\.S in this moment; it names 2\.0\.0=\d+ now\. Look at it and decide again\.$/,
      );
    }
  });

  test("what is wrong is named", async () => {
    expect(await failure(setTag(service, "beta", ["9.0.0", 1]))).toMatchObject({ reason: "VERSION_UNKNOWN" });
    expect(await failure(setTag(service, "Beta", ["1.0.0", 1]))).toMatchObject({ reason: "TAG_INVALID" });
    expect((await failure(setTag(service, "beta", ["1.0.0", 0]))).message).toBe(
      "The weight of version 1.0.0 in the tag beta is 0. Give a whole number from 1 to 10000, or leave a version out that shall get no calls.",
    );
    expect((await failure(setTag(service, "beta", ["1.0.0", 1], ["1.0.0", 2]))).message).toContain("twice");
    expect(await failure(setTag("no.Such", "beta", ["1.0.0", 1]))).toMatchObject({
      reason: "SERVICE_UNKNOWN",
    });
  });
});

describe("removing", () => {
  const remove = (service: string, version: string) =>
    unary(rig.client, "removeVersion", { service, version });

  test("is refused while a tag names the version or it runs; then only what is known of it stays", async () => {
    const service = "removed.v1.S";
    await register([{ service }], { tags: ["dev", "release"] });
    const tagged = await failure(remove(service, "1.0.0"));
    expect(tagged).toMatchObject({ status: "FAILED_PRECONDITION", reason: "VERSION_TAGGED" });
    expect(tagged.message).toBe(
      'removed.v1.S 1.0.0 cannot be removed while the tags dev, release name it. Point them elsewhere first ("rouse tag removed.v1.S dev VERSION"), or take it away ("rouse tag removed.v1.S dev --remove").',
    );
    await setTag(service, "dev");
    await setTag(service, "release");
    await registerInstance(rig.kv, instance(service, "gone-1"));
    const running = await failure(remove(service, "1.0.0"));
    expect(running).toMatchObject({ status: "FAILED_PRECONDITION", reason: "VERSION_RUNNING" });
    expect(running.message).toBe(
      'removed.v1.S 1.0.0 has 1 instance running. Stop it first: rouse stop removed.v1.S 1.0.0 --reason "it is removed"',
    );
    await updateActivation(rig.kv, service, "1.0.0", (now) => ({
      ...now,
      stopped: { reason: "it is removed", atMs: Date.now() },
    }));
    const stopping = await failure(remove(service, "1.0.0"));
    expect(stopping).toMatchObject({ status: "FAILED_PRECONDITION", reason: "VERSION_STOPPING" });
    expect(stopping.metadata).toEqual({ service, version: "1.0.0", instances: "1" });
    expect(stopping.message).toBe(
      'removed.v1.S 1.0.0 is stopped, but 1 instance of it has not ended yet. Remove it when "rouse status" shows none any more.',
    );
    await deregisterInstance(rig.kv, "gone-1");
    await remove(service, "1.0.0");
    expect(await failure(list(service))).toMatchObject({ reason: "SERVICE_UNKNOWN" });
    const left = (await listKeyNames(rig.kv, "rouse/")).filter((key) => key.includes("removed"));
    expect(left.filter((key) => !key.startsWith(`rouse/history/${service}/`))).toEqual([
      `rouse/about/${service}/1.0.0`,
      `rouse/activation/${service}/1.0.0`,
      "rouse/owners/removed.vl.s",
    ]);
    // A version that comes back goes on counting its generations.
    await register([{ service }]);
    expect((await list(service))?.versions[0]?.generation).toBe(2);
  });

  test("an unknown version", async () => {
    await register([{ service: "kept.v1.S" }]);
    expect((await failure(remove("kept.v1.S", "2.0.0"))).message).toBe(
      "kept.v1.S has no version 2.0.0. Versions: 1.0.0; tags: none.",
    );
  });

  test("descriptor sets of registrations that were cut off are swept, others stay", async () => {
    const service = "swept.v1.S";
    await register([{ service }]);
    const before = await listKeyNames(rig.kv, `rouse/blobs/${service}/`);
    expect(await sweepBlobs(rig.kv)).toBe(0);
    await writeBlob(rig.kv, blobFolder(service, "1.0.0", "b".repeat(64)), Buffer.alloc(10));
    await writeBlob(rig.kv, blobFolder(service, "9.0.0", "c".repeat(64)), Buffer.alloc(10));
    expect(await sweepBlobs(rig.kv)).toBe(2);
    expect(await listKeyNames(rig.kv, `rouse/blobs/${service}/`)).toEqual(before);
  });
});

test("live state: cold, starting, warm, failed, stopped", async () => {
  const service = "live.v1.S";
  await register([{ service }]);
  const state = async () => (await list(service))?.versions[0];
  const reaches = (wanted: State) =>
    expect.poll(async () => (await state())?.state, { interval: 5, timeout: 30_000 }).toBe(wanted);
  expect((await state())?.state).toBe(State.COLD);
  await registerInstance(rig.kv, { ...instance(service, "live-1"), healthy: false });
  await reaches(State.STARTING);
  await setInstanceHealth(rig.kv, "live-1", true);
  await reaches(State.WARM);
  expect((await state())?.instances).toEqual([
    {
      id: "live-1",
      host: "h1",
      runtime: "process",
      address: "127.0.0.1:4711",
      generation: 1,
      standby: false,
    },
  ]);
  const standby = { sinceMs: 2_000, lastUsedMs: 1_000 };
  await registerInstance(rig.kv, { ...instance(service, "live-1"), standby });
  await reaches(State.STANDBY);
  expect((await state())?.instances).toMatchObject([{ id: "live-1", standby: true }]);
  const retryAtMs = Date.now() + 1000;
  await updateActivation(rig.kv, service, "1.0.0", (now) => ({
    ...now,
    failure: { status: "UNAVAILABLE", message: "it exits", retryAtMs },
  }));
  await reaches(State.FAILED);
  expect((await state())?.reason).toBe("it exits");
  await updateActivation(rig.kv, service, "1.0.0", ({ generation }) => ({
    generation,
    stopped: { reason: "wrong data", atMs: 1 },
  }));
  await reaches(State.STOPPED);
  expect((await state())?.reason).toBe("wrong data");
  await deregisterInstance(rig.kv, "live-1");
});

function instance(service: string, id: string) {
  const rest = { version: "1.0.0", generation: 1, host: "h1", runtime: "process", address: "127.0.0.1:4711" };
  return { service, id, ...rest, cpu: 1, memoryBytes: 2 ** 27, gpu: 0 };
}
