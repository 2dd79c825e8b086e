import type { ClientReadableStream } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  CatalogClient,
  type ServiceState,
  type WatchHostsResponse,
  type WatchStateResponse,
} from "#proto/rouse/catalog/v1/catalog.ts";
import { unary } from "../../../sdk/grpc.ts";
import { updateActivation } from "../../activation.ts";
import { registerHost } from "../../hosts.ts";
import { deregisterInstance, registerInstance } from "../../instances.ts";
import { type Rig, startRig } from "../../testing/rig.ts";
import { sampleManifest, sampleRequest } from "../../testing/sample.ts";
import { encodeOnce } from "./encode-once.ts";

const SERVICE = "sample.v1.EchoService";
let rig: Rig;
let catalog: CatalogClient;
beforeAll(async () => {
  rig = await startRig();
  catalog = rig.connect(CatalogClient, undefined);
  await unary(rig.client, "registerVersion", sampleRequest(sampleManifest({ service: SERVICE })));
}, 30_000);
afterAll(() => rig?.close());

/** Reads a stream message by message. */
class Reader<Message> implements Disposable {
  readonly #stream: ClientReadableStream<Message>;
  readonly #messages: AsyncIterator<Message>;

  constructor(stream: ClientReadableStream<Message>) {
    this.#stream = stream;
    this.#messages = stream[Symbol.asyncIterator]() as AsyncIterator<Message>;
  }

  async next(): Promise<Message> {
    const { value, done } = await this.#messages.next();
    if (done === true) throw new Error("the stream has ended");
    return value;
  }

  /** The first message of which something holds. */
  async until(holds: (message: Message) => boolean): Promise<Message> {
    for (;;) {
      const message = await this.next();
      if (holds(message)) return message;
    }
  }

  [Symbol.dispose](): void {
    this.#stream.on("error", () => undefined);
    this.#stream.cancel();
  }
}

const watch = (service = "") => new Reader<WatchStateResponse>(catalog.watchState({ service }));
const instance = {
  id: "echo-1",
  service: SERVICE,
  version: "1.0.0",
  generation: 1,
  host: "a",
  runtime: "process",
  address: "127.0.0.1:4711",
  cpu: 0.5,
  memoryBytes: 128 * 2 ** 20,
  gpu: 0,
};
const stateOf = (service: ServiceState | undefined) => service?.versions[0]?.state;

test("first everything, then each change, and only what changed", async () => {
  using all = watch();
  using one = watch(SERVICE);
  for (const reader of [all, one]) {
    const first = await reader.next();
    expect(first).toMatchObject({ removed: [], more: false });
    expect(first.services.map((service) => [service.name, stateOf(service)])).toEqual([[SERVICE, "cold"]]);
  }
  await registerInstance(rig.kv, instance);
  for (const reader of [all, one]) {
    const { services } = await reader.until(({ services: [service] }) => stateOf(service) === "warm");
    expect(services[0]?.versions[0]).toMatchObject({
      generation: 1,
      reason: "",
      instances: [{ id: "echo-1", host: "a", address: "127.0.0.1:4711", healthy: true, draining: false }],
    });
  }
  const other = "other.v1.OtherService";
  await unary(rig.client, "registerVersion", sampleRequest(sampleManifest({ service: other })));
  const { services } = await all.until(({ services: [service] }) => service?.name === other);
  expect(services).toHaveLength(1);
  await updateActivation(rig.kv, other, "1.0.0", (activation) => ({
    ...activation,
    stopped: { reason: "for repair", atMs: 1 },
  }));
  const stopped = await all.until(({ services: [service] }) => stateOf(service) === "stopped");
  expect(stopped.services[0]?.versions[0]?.reason).toBe("for repair");
  await unary(rig.client, "removeVersion", { service: other, version: "1.0.0" });
  expect((await all.until(({ removed }) => removed.length > 0)).removed).toEqual([other]);

  await deregisterInstance(rig.kv, "echo-1");
  // The watch of one service was told nothing of the other.
  expect((await one.next()).services.map(stateOf)).toEqual(["cold"]);
});

test("a service that is not there is told as removed, and as it is once it comes", async () => {
  const name = "later.v1.LaterService";
  using reader = watch(name);
  expect(await reader.next()).toEqual({ services: [], removed: [name], more: false });
  await unary(rig.client, "registerVersion", sampleRequest(sampleManifest({ service: name })));
  expect((await reader.next()).services[0]?.name).toBe(name);
  await unary(rig.client, "removeVersion", { service: name, version: "1.0.0" });
  expect((await reader.until(({ removed }) => removed.length > 0)).removed).toEqual([name]);
});

test("200 watchers all hear of a change, and those that went are forgotten", async () => {
  const readers = Array.from({ length: 200 }, () => watch());
  await Promise.all(readers.map((reader) => reader.next()));
  for (const reader of readers.splice(100)) reader[Symbol.dispose]();
  await registerInstance(rig.kv, { ...instance, id: "echo-2" });
  const isWarm = ({ services: [service] }: WatchStateResponse) => stateOf(service) === "warm";
  await Promise.all(readers.map((reader) => reader.until(isWarm)));
  for (const reader of readers) reader[Symbol.dispose]();
  await deregisterInstance(rig.kv, "echo-2");
});

test("a slow reader skips what it missed and gets the newest", async () => {
  const stream = catalog.watchState({ service: SERVICE });
  const reader = new Reader<WatchStateResponse>(stream);
  await reader.next();
  const changes = 100;
  const reason = (number: number) => `${number} ${"x".repeat(20_000)}`;
  for (let number = 1; number <= changes; number++) {
    await updateActivation(rig.kv, SERVICE, "1.0.0", (activation) => ({
      ...activation,
      stopped: { reason: reason(number), atMs: 1 },
    }));
  }
  let messages = 0;
  await reader.until(({ services }) => {
    messages++;
    return services[0]?.versions[0]?.reason === reason(changes);
  });
  expect(messages).toBeLessThan(changes);
  reader[Symbol.dispose]();
  await updateActivation(rig.kv, SERVICE, "1.0.0", ({ stopped: _, ...activation }) => activation);
});

test("a message for many is encoded once", () => {
  let encoded = 0;
  const encode = encodeOnce(({ text }: { text: string }) => {
    encoded++;
    return Buffer.from(text);
  });
  const message = { text: "x" };
  expect(encode(message)).toBe(encode(message));
  expect(encode({ text: "x" }).toString()).toBe("x");
  expect(encoded).toBe(2);
});

test("hosts are told with what their instances use by contract", async () => {
  using reader = new Reader<WatchHostsResponse>(catalog.watchHosts({}));
  expect(await reader.next()).toEqual({ hosts: [] });
  const host = await registerHost(rig.kv, {
    host: "a",
    address: "127.0.0.1:9",
    runtime: "process",
    cpu: 8,
    memoryBytes: 2 ** 34,
    gpu: 1,
    labels: { zone: "north" },
  });
  await registerInstance(rig.kv, { ...instance, id: "echo-3" });
  const { hosts } = await reader.until(({ hosts: [first] }) => first?.instances === 1 && first.healthy);
  expect(hosts).toEqual([
    {
      name: "a",
      runtime: "process",
      cpu: 8,
      memoryBytes: 2 ** 34,
      gpu: 1,
      labels: { zone: "north" },
      cpuUsed: 0.5,
      memoryUsedBytes: 128 * 2 ** 20,
      instances: 1,
      standby: 0,
      healthy: true,
      reachable: true,
      zone: "",
      costPerHour: 0,
      speed: 1,
      mode: { mode: "active", reason: "", atMs: 0, deadlineMs: 0 },
      lostAtMs: 0,
      running: [
        {
          id: "echo-3",
          service: instance.service,
          version: instance.version,
          healthy: true,
          draining: false,
          standby: false,
          condition: "",
          conditionReason: "",
        },
      ],
      condition: "",
      conditionReason: "",
    },
  ]);
  expect((await unary(catalog, "getMesh", {})).runtime).toBe("process");
  await host.close();
  await reader.until((message) => message.hosts.length === 0);
  await deregisterInstance(rig.kv, "echo-3");
});
