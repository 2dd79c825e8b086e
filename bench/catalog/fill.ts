import { createHash } from "node:crypto";
import { ConsulClient } from "../../registry/consul.ts";
import { blobFolder, catalogKey, nameKey } from "../../registry/keys.ts";
import { type TransactionStep, transact, writeKey } from "../../registry/kv.ts";
import type { Manifest } from "../../registry/manifest.ts";
import { catalogEntrySchema } from "../../registry/records.ts";

/** Writers at a time. */
const WRITERS = 16;
/** Characters of values in one transaction of Consul, which takes 512 KB as base64 and JSON. */
const MOST_CHARACTERS = 250_000;

/** Writes services into Consul as registrations do, many in one step: one by one they would take many minutes. */
export async function fillConsul(address: string, manifests: readonly Manifest[]): Promise<void> {
  const consul = new ConsulClient({ address });
  try {
    await eachOf(manifests, async (manifest) => {
      const bytes = Buffer.from(manifest.descriptorSet, "base64");
      const folder = blobFolder(manifest.service, manifest.version, digestOf(bytes));
      await writeKey(consul, `${folder}0`, bytes);
    });
    await eachOf(batches(manifests.map(stepsOf)), (steps) => transact(consul, steps));
  } finally {
    consul.close();
  }
}

function stepsOf(whole: Manifest): TransactionStep[] {
  const { descriptorSet, ...manifest } = whole;
  const bytes = Buffer.from(descriptorSet, "base64");
  const { service, version } = manifest;
  const entry = catalogEntrySchema.parse({
    manifest,
    deployment: {
      artifact: { kind: "image", name: "synthetic:1", port: 0, command: [] },
      env: {},
      mounts: [],
      registeredAtMs: Date.now(),
    },
    descriptorSet: { digest: digestOf(bytes), size: bytes.length, parts: 1 },
  });
  return [
    { verb: "set", key: catalogKey(service, version), value: JSON.stringify(entry) },
    { verb: "set", key: nameKey(service), value: JSON.stringify({ service, versions: [version] }) },
  ];
}

function batches(all: readonly TransactionStep[][]): TransactionStep[][] {
  const found: TransactionStep[][] = [];
  let room = 0;
  for (const steps of all) {
    const size = steps.reduce((sum, { key, value }) => sum + key.length + (value?.length ?? 0), 0);
    if (room < size || (found.at(-1)?.length ?? 0) > 120) {
      found.push([]);
      room = MOST_CHARACTERS;
    }
    found.at(-1)?.push(...steps);
    room -= size;
  }
  return found;
}

async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const open = items.values();
  const writer = async () => {
    for (const item of open) await work(item);
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
}

function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
