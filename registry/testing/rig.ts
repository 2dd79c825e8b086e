import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Client,
  type ClientOptions,
  credentials,
  InterceptingCall,
  type Interceptor,
} from "@grpc/grpc-js";
import { pino } from "pino";
import { RegistryClient } from "#proto/rouse/registry/v1/registry.ts";
import type { RouseError } from "../../sdk/errors.ts";
import { startConsul, type TestConsul } from "../../test/support/consul.ts";
import { adminKey } from "../access.ts";
import { ConsulClient } from "../consul.ts";
import { type RunningRegistry, startRegistry } from "../server.ts";

/** A Consul, a registry on it and a client of each. */
export interface Rig {
  readonly consul: TestConsul;
  readonly kv: ConsulClient;
  readonly registry: RunningRegistry;
  /** With the administrator's key. */
  readonly client: RegistryClient;
  readonly dataDir: string;
  /** The administrator's. */
  readonly key: string;
  /** A client of any of the registry's services, with that key; undefined: with none. The rig closes it. */
  connect<T extends Client>(clientClass: ClientClass<T>, key: string | undefined): T;
  close(): Promise<void>;
}

/** A ts-proto client class of grpc-js. */
type ClientClass<T extends Client> = new (
  target: string,
  channelCredentials: ReturnType<typeof credentials.createInsecure>,
  options?: Partial<ClientOptions>,
) => T;

/** Sends that key with each call. */
export function withKey(key: string): Interceptor {
  return (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start(metadata, listener, next) {
        metadata.set("authorization", `Bearer ${key}`);
        next(metadata, listener);
      },
    });
}

export async function startRig(options: { openRegistration?: boolean } = {}): Promise<Rig> {
  const dataDir = await mkdtemp(join(tmpdir(), "rouse-test-registry-"));
  const consul = await startConsul();
  const kv = new ConsulClient({ address: consul.address });
  const log = pino({ level: "silent" });
  const registry = await startRegistry({
    listen: "127.0.0.1:0",
    consul: consul.address,
    dataDir,
    log,
    ...options,
  });
  const key = await adminKey(dataDir);
  const clients: Client[] = [];
  const connect: Rig["connect"] = (clientClass, callersKey) => {
    const made = new clientClass(registry.address, credentials.createInsecure(), {
      "grpc.max_receive_message_length": 16 * 2 ** 20,
      interceptors: callersKey === undefined ? [] : [withKey(callersKey)],
    });
    clients.push(made);
    return made;
  };
  const client = connect(RegistryClient, key);
  return {
    consul,
    kv,
    registry,
    client,
    dataDir,
    key,
    connect,
    async close() {
      for (const one of clients) one.close();
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
