import { afterAll, beforeAll, expect, test } from "vitest";
import { CatalogClient, type SearchRequest } from "#proto/rouse/catalog/v1/catalog.ts";
import { unary } from "../../sdk/grpc.ts";
import { failure, type Rig, startRig } from "../testing/rig.ts";
import { sampleManifest, sampleRequest } from "../testing/sample.ts";
import { GENOME_PROTO, genomeManifest } from "./testing/genome.ts";

let rig: Rig;
let catalog: CatalogClient;
beforeAll(async () => {
  rig = await startRig();
  // Reading needs no key.
  catalog = rig.connect(CatalogClient, undefined);
  const about = {
    summary: "",
    description: "",
    purpose: "For annotation pipelines.",
    usage: "",
    misuse: "Not for eukaryotes.",
    parameters: [{ name: "region", description: "half-open interval", required: true }],
    metadata: [],
    workflow: "",
    links: [],
    license: "",
    contact: "",
    keywords: ["bacteriophage"],
  };
  const genome = await genomeManifest("1.0.0", { owner: "genomics" });
  await unary(rig.client, "registerVersion", sampleRequest(genome, { tags: ["release"], about }));
  const other = GENOME_PROTO.replace("string bases = 1;", "bytes bases = 1;");
  await unary(rig.client, "registerVersion", sampleRequest(await genomeManifest("1.1.0", {}, other)));
  const small = { cpu: 0.25, memory: 64 * 2 ** 20, gpu: 0, labels: {} };
  await unary(
    rig.client,
    "registerVersion",
    sampleRequest(sampleManifest({ service: "sample.v1.EchoService" }, { resources: small })),
  );
  const large = { cpu: 8, memory: 2 ** 34, gpu: 1, labels: {} };
  await unary(
    rig.client,
    "registerVersion",
    sampleRequest(sampleManifest({ service: "train.v1.ModelService" }, { resources: large }), {
      tags: ["beta"],
    }),
  );
}, 60_000);
afterAll(() => rig?.close());

const search = (request: Partial<SearchRequest>) =>
  unary(catalog, "search", {
    query: "",
    owner: "",
    tag: "",
    state: "",
    maxCpu: 0,
    maxMemoryBytes: 0,
    gpu: false,
    limit: 0,
    offset: 0,
    ...request,
  });
const names = async (request: Partial<SearchRequest>) =>
  (await search(request)).hits.map(({ service }) => service?.name);

test("what was just registered is found by names, descriptions, comments and with typos", async () => {
  const queries = [
    "genome",
    "genmoe",
    "GetSequence",
    "list features",
    "soft-masked",
    "bacteriophage",
    "eukaryotes",
    "half-open",
    "lambda_name",
    "KIND_GENE",
    "codes for a protein",
    "genomics",
  ];
  for (const query of queries)
    expect([query, await names({ query })]).toEqual([query, ["genome.v1.GenomeService"]]);
  const { hits, total } = await search({ query: "masked" });
  expect(total).toBe(1);
  expect(hits[0]?.matches).toEqual([
    { where: "comment of GetSequence", text: "Bases of a region, with soft-masked repeats." },
  ]);
  expect(hits[0]?.service).toMatchObject({
    owner: "genomics",
    provider: "",
    external: true,
    defaultVersion: "1.0.0",
    state: "cold",
    versions: 2,
    tags: [{ name: "release", members: [{ version: "1.0.0", weight: 1 }] }],
  });
});

test("an empty query lists by name, in pages", async () => {
  const all = ["genome.v1.GenomeService", "sample.v1.EchoService", "train.v1.ModelService"];
  expect(await names({ query: "  " })).toEqual(all);
  expect(await search({ limit: 1, offset: 1 })).toMatchObject({
    total: 3,
    hits: [{ service: { name: all[1] } }],
  });
  expect(await names({ offset: 9 })).toEqual([]);
});

test("filters by owner, tag, state and needs", async () => {
  expect(await names({ owner: "Genomics" })).toEqual(["genome.v1.GenomeService"]);
  expect(await names({ tag: "beta" })).toEqual(["train.v1.ModelService"]);
  expect(await names({ maxCpu: 0.25 })).toEqual(["sample.v1.EchoService"]);
  expect(await names({ maxMemoryBytes: 64 * 2 ** 20 })).toEqual(["sample.v1.EchoService"]);
  expect(await names({ gpu: true })).toEqual(["train.v1.ModelService"]);
  expect(await names({ state: "warm" })).toEqual([]);
  expect(await names({ state: "cold", query: "again", gpu: true })).toEqual(["train.v1.ModelService"]);
});

test("what cannot be searched is refused at once", async () => {
  const long = await failure(search({ query: "x".repeat(1_000_000) }));
  expect([long.status, long.reason, long.message]).toEqual([
    "INVALID_ARGUMENT",
    "QUERY_TOO_LONG",
    "The query has 1000000 characters; 200 at most are searched. Give the words that matter.",
  ]);
  const state = await failure(search({ state: "hot" }));
  expect([state.reason, state.message]).toEqual([
    "SEARCH_INVALID",
    'There is no state "hot". Choose one of cold, standby, starting, warm, failed, stopped, pending, crash-looping.',
  ]);
  const owner = await failure(search({ owner: "x".repeat(201) }));
  expect(owner.message).toBe("The filter owner has 201 characters; no owner has more than 200.");
});

test("a new description is searched at once, and a removed service no more", async () => {
  const service = "gone.v1.GoneService";
  await unary(rig.client, "registerVersion", sampleRequest(sampleManifest({ service })));
  const before = (await unary(catalog, "getService", { name: service })).versions[0];
  if (before?.about === undefined) throw new Error("it was just registered");
  const about = { ...before.about, description: "Now with quaternions." };
  await unary(rig.client, "updateDescription", {
    service,
    version: "1.0.0",
    revision: before.revision,
    about,
  });
  await expect.poll(() => names({ query: "quaternion" })).toEqual([service]);
  expect((await unary(catalog, "getService", { name: service })).versions[0]).toMatchObject({
    revision: 2,
    about,
  });
  await unary(rig.client, "removeVersion", { service, version: "1.0.0" });
  expect(await names({ query: "quaternions" })).toEqual([]);
});

test("a version that awaits approval is shown, but not listed", async () => {
  const service = "guarded.v1.GuardedService";
  const manifest = sampleManifest({ service }, { approval: "running", summary: "Guarded." });
  await unary(rig.client, "registerVersion", sampleRequest(manifest));
  expect(await names({ query: "guarded" })).toEqual([]);
  expect(await names({ state: "pending" })).toEqual([]);
  const { summary, versions } = await unary(catalog, "getService", { name: service });
  expect([summary?.state, versions[0]?.approval]).toEqual(["pending", "pending"]);
});

test("a service is told with all versions, newest first", async () => {
  const { summary, versions } = await unary(catalog, "getService", { name: "genome.v1.GenomeService" });
  expect(summary?.defaultVersion).toBe("1.0.0");
  expect(versions.map(({ version }) => version)).toEqual(["1.1.0", "1.0.0"]);
  expect(versions[1]).toMatchObject({
    registeredBy: "administrator",
    artifact: "sample:1",
    about: { summary: "Says it again.", misuse: "Not for eukaryotes." },
    needs: { cpu: 0.5, memoryBytes: 128 * 2 ** 20, idleTimeoutMs: 60_000 },
    revision: 1,
  });
});

test("contracts are told by spec, and compared", async () => {
  const service = "genome.v1.GenomeService";
  const contract = await unary(catalog, "getContract", { service, spec: "" });
  expect([contract.version, contract.methods.length, contract.types.length]).toEqual(["1.0.0", 2, 6]);
  expect(contract.descriptorSet.length).toBeGreaterThan(1_000);
  const { version } = await unary(catalog, "getContract", { service, spec: "^1.1" });
  expect(version).toBe("1.1.0");
  const { changes, fromText, toText } = await unary(catalog, "compareVersions", {
    service,
    from: "release",
    to: "1.1.0",
  });
  expect(changes.filter(({ breaking }) => breaking).map(({ subject }) => subject)).toEqual([
    "field genome.v1.GetSequenceResponse.bases",
  ]);
  expect([fromText.includes("string bases = 1;"), toText.includes("bytes bases = 1;")]).toEqual([true, true]);
});

test("unknown services and versions are told with those there are", async () => {
  const service = await failure(unary(catalog, "getService", { name: "genome.v1.genomeservice" }));
  expect([service.status, service.reason, service.message]).toEqual([
    "NOT_FOUND",
    "SERVICE_UNKNOWN",
    "No service genome.v1.genomeservice is registered. Did you mean genome.v1.GenomeService?",
  ]);
  const version = await failure(
    unary(catalog, "getContract", { service: "genome.v1.GenomeService", spec: "3" }),
  );
  expect([version.reason, version.message]).toEqual([
    "VERSION_UNKNOWN",
    "genome.v1.GenomeService has no version 3. Versions: 1.1.0, 1.0.0; tags: release.",
  ]);
  const long = await failure(unary(catalog, "getService", { name: "x".repeat(1_000_000) }));
  expect(long.message.length).toBeLessThan(1_000);
});

test("a registry that does not know the control plane says so", async () => {
  const error = await failure(unary(catalog, "listWakes", { service: "", limit: 0 }));
  expect([error.status, error.reason, error.message]).toEqual([
    "FAILED_PRECONDITION",
    "CONTROL_UNKNOWN",
    "This registry was not told where the control plane is, which knows the wakes. Start it with --control host:port.",
  ]);
});

test("the mesh is told with Consul's page", async () => {
  expect(await unary(catalog, "getMesh", {})).toEqual({
    consulUi: `http://${rig.consul.address}/ui/`,
    version: "0.1.0",
    runtime: "",
  });
});
