import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { credentials } from "@grpc/grpc-js";
import { pino } from "pino";
import { RegistryClient } from "#proto/rouse/registry/v1/registry.ts";
import type { RouseError } from "../../sdk/errors.ts";
import { startConsul, type TestConsul } from "../../test/support/consul.ts";
import { ConsulClient } from "../consul.ts";
import { type RunningRegistry, startRegistry } from "../server.ts";

/** A Consul, a registry on it and a client of each. */
export interface Rig {
  readonly consul: TestConsul;
  readonly kv: ConsulClient;
  readonly registry: RunningRegistry;
  readonly client: RegistryClient;
  readonly dataDir: string;
  close(): Promise<void>;
}

export async function startRig(): Promise<Rig> {
  const dataDir = await mkdtemp(join(tmpdir(), "rouse-test-registry-"));
  const consul = await startConsul();
  const kv = new ConsulClient({ address: consul.address });
  const log = pino({ level: "silent" });
  const registry = await startRegistry({ listen: "127.0.0.1:0", consul: consul.address, dataDir, log });
  const client = new RegistryClient(registry.address, credentials.createInsecure(), {
    "grpc.max_receive_message_length": 16 * 2 ** 20,
  });
  return {
    consul,
    kv,
    registry,
    client,
    dataDir,
    async close() {
      client.close();
      await registry.close();
      kv.close();
      await consul.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** What a promise is rejected with. */
export async function failure(promise: Promise<unknown>): Promise<RouseError> {
  try {
    await promise;
  } catch (thrown) {
    return thrown as RouseError;
  }
  throw new Error("it should have failed");
}
