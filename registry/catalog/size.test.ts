import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { credentials } from "@grpc/grpc-js";
import { pino } from "pino";
import { expect, test } from "vitest";
import { CatalogClient } from "#proto/rouse/catalog/v1/catalog.ts";
import { RegistryClient } from "#proto/rouse/registry/v1/registry.ts";
import { fillConsul } from "../../bench/catalog/fill.ts";
import { unary } from "../../sdk/grpc.ts";
import { startConsul } from "../../test/support/consul.ts";
import { startRegistry } from "../server.ts";
import { sampleManifest } from "../testing/sample.ts";

test("3,000 services fit into what gRPC clients take by default, and are told in full", async () => {
  // The longest summary that there may be.
  const manifests = Array.from({ length: 3_000 }, (_, number) =>
    sampleManifest({ service: `sample.n${number}.v1.EchoService` }, { summary: "x".repeat(200) }),
  );
  const dataDir = await mkdtemp(join(tmpdir(), "rouse-test-size-"));
  const consul = await startConsul();
  await fillConsul(consul.address, manifests);
  const log = pino({ level: "silent" });
  const registry = await startRegistry({ listen: "127.0.0.1:0", consul: consul.address, dataDir, log });
  const catalog = new CatalogClient(registry.address, credentials.createInsecure());
  const client = new RegistryClient(registry.address, credentials.createInsecure());
  try {
    const names = new Set<string>();
    let messages = 0;
    const stream = catalog.watchState({ service: "" }).on("error", () => undefined);
    for await (const { services, more } of stream) {
      for (const { name } of services) names.add(name);
      messages++;
      if (!more) break;
    }
    stream.cancel();
    expect([names.size, messages]).toEqual([3_000, 2]);
    const { services } = await unary(client, "listServices", { service: "" }, { deadlineMs: 30_000 });
    expect(services).toHaveLength(3_000);
  } finally {
    client.close();
    catalog.close();
    await registry.close();
    await consul.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}, 90_000);
