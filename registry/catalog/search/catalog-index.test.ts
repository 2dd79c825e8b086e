import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { unary } from "../../../sdk/grpc.ts";
import { MeshFollower } from "../../follower.ts";
import { type Rig, startRig } from "../../testing/rig.ts";
import { sampleManifest, sampleRequest } from "../../testing/sample.ts";
import { Abouts } from "../abouts.ts";
import { ContractStore } from "../contract/store.ts";
import { GENOME_PROTO, genomeManifest } from "../testing/genome.ts";
import { CatalogIndex } from "./catalog-index.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
}, 30_000);
afterAll(() => rig?.close());

/** An index of its own on the rig's Consul. */
function startIndex(rebuildMs?: number) {
  const log = pino({ level: "silent" });
  const mesh = new MeshFollower(rig.kv, log);
  const abouts = new Abouts(rig.kv, log, (services) => catalog.touch(services));
  const contracts = new ContractStore(rig.kv);
  const catalog = new CatalogIndex({
    mesh,
    abouts,
    contracts,
    log,
    ...(rebuildMs === undefined ? {} : { rebuildMs }),
  });
  const names = (query: string) => catalog.index.search(query, () => true).found.map(({ id }) => id);
  const close = () => {
    catalog.close();
    abouts.close();
    mesh.close();
  };
  return { catalog, names, ready: mesh.ready, [Symbol.dispose]: close };
}

test("a service is indexed as its default version, which a tag may move, and with its other versions' numbers", async () => {
  using started = startIndex();
  const service = "genome.v1.GenomeService";
  const text = (word: string) => GENOME_PROTO.replace("Half-open", word);
  const release = sampleRequest(await genomeManifest("1.0.0", {}, text("Quokka")), { tags: ["release"] });
  await unary(rig.client, "registerVersion", release);
  await unary(
    rig.client,
    "registerVersion",
    sampleRequest(await genomeManifest("2.7.1", {}, text("Wombat"))),
  );
  await expect.poll(() => started.names("2.7.1 quokka")).toEqual([service]);
  expect(started.names("wombat")).toEqual([]);
  await unary(rig.client, "setTag", {
    service,
    tag: { name: "release", versions: [{ version: "2.7.1", weight: 1 }] },
  });
  await expect.poll(() => started.names("wombat")).toEqual([service]);
  expect(started.names("quokka")).toEqual([]);
});

test("an index that can no longer be written is made anew", async () => {
  using started = startIndex(10);
  await started.ready;
  await started.catalog.settled();
  const broken = started.catalog.index;
  broken.close();
  const service = "later.v1.LaterService";
  await unary(rig.client, "registerVersion", sampleRequest(sampleManifest({ service })));
  await expect.poll(() => started.catalog.index !== broken && started.names("later")).toEqual([service]);
  await expect.poll(() => started.names("wombat")).toEqual(["genome.v1.GenomeService"]);
});
