import { describe, expect, test } from "vitest";
import { consulOfFile } from "../test/support/consul-of-file.ts";
import { updateActivation } from "./activation.ts";
import { ConsulClient } from "./consul.ts";
import { writeVersionHealth } from "./health-record.ts";
import { updateHostRecord } from "./host-record.ts";
import { registerHost, watchHosts } from "./hosts.ts";
import {
  deregisterInstance,
  type InstanceRegistration,
  listOwnInstances,
  registerInstance,
  setInstanceHealth,
} from "./instances.ts";
import {
  ACTIVATION_PREFIX,
  activationKey,
  catalogKey,
  healthKey,
  hostKey,
  TUNING_PREFIX,
  tagsKey,
} from "./keys.ts";
import { kvPath, readKey, transact, writeKey } from "./kv.ts";
import type { MeshState } from "./state.ts";
import { failure } from "./testing/rig.ts";
import { sampleManifest } from "./testing/sample.ts";
import { type MeshWatch, watchMesh } from "./watch.ts";

const { server, consul } = await consulOfFile();

/** A catalog entry as the registry writes it. */
function entry(service: string, version = "1.0.0"): string {
  const { descriptorSet: _, ...manifest } = sampleManifest({ service, version });
  const artifact = { kind: "image", name: "sample:1", port: 0, command: [] };
  const deployment = { artifact, env: {}, mounts: [], registeredAtMs: 1 };
  return JSON.stringify({
    manifest,
    deployment,
    descriptorSet: { digest: "0".repeat(64), size: 1, parts: 1 },
  });
}

const instance = (service: string, id: string, changes: Partial<InstanceRegistration> = {}) => ({
  ...{
    service,
    id,
    version: "1.0.0",
    generation: 1,
    host: "h1",
    runtime: "process",
    address: "127.0.0.1:4711",
  },
  ...{ cpu: 1, memoryBytes: 2 ** 27, gpu: 0 },
  ...changes,
});

/** A watch with a promise for the next state in which something holds. */
class Probe {
  readonly watch: MeshWatch;
  readonly states: MeshState[] = [];
  #wake = Promise.withResolvers<void>();

  constructor(client = consul) {
    this.watch = watchMesh(client, {
      onChange: (state) => {
        this.states.push(state);
        this.#wake.resolve();
        this.#wake = Promise.withResolvers();
      },
    });
  }

  async until(holds: (state: MeshState) => unknown): Promise<MeshState> {
    while (!holds(this.watch.current())) await this.#wake.promise;
    return this.watch.current();
  }
}

describe("the state", () => {
  test("is read whole, then follows every change, and keeps what did not change as the same object", async () => {
    await writeKey(consul, catalogKey("w.A", "1.0.0"), entry("w.A"));
    await writeKey(consul, catalogKey("w.B", "1.0.0"), entry("w.B"));
    await registerInstance(consul, instance("w.A", "a-1"));
    const probe = new Probe();
    await probe.watch.ready;
    const first = probe.watch.current();
    expect(probe.states).toEqual([first]);
    const a = await probe.until(
      (state) => state.services.get("w.A")?.versions.get("1.0.0")?.instances.length,
    );
    expect(a.services.get("w.A")?.versions.get("1.0.0")).toMatchObject({
      manifest: { service: "w.A", owner: "tests" },
      activation: { generation: 1 },
      instances: [
        { id: "a-1", generation: 1, host: "h1", address: "127.0.0.1:4711", healthy: true, draining: false },
      ],
    });
    expect(a.services.get("w.B")).toMatchObject({ tags: new Map() });

    await writeKey(consul, tagsKey("w.B"), '{"release":[{"version":"1.0.0","weight":3}]}');
    const tagged = await probe.until((state) => state.services.get("w.B")?.tags.has("release"));
    expect(tagged.services.get("w.A")).toBe(a.services.get("w.A"));
    expect(tagged.services.get("w.B")?.versions.get("1.0.0")).toBe(
      a.services.get("w.B")?.versions.get("1.0.0"),
    );

    await updateActivation(consul, "w.B", "1.0.0", () => ({ generation: 7, served: true }));
    await probe.until(
      (state) => state.services.get("w.B")?.versions.get("1.0.0")?.activation.generation === 7,
    );

    const of = (state: MeshState) => state.services.get("w.A")?.versions.get("1.0.0")?.instances ?? [];
    await registerInstance(consul, instance("w.A", "a-2", { address: "unix:/tmp/a 2.sock" }));
    const two = await probe.until((state) => of(state).length === 2);
    expect(of(two)[1]).toMatchObject({ id: "a-2", address: "unix:/tmp/a 2.sock" });
    await registerInstance(consul, instance("w.A", "a-2", { draining: true, generation: 2 }));
    await probe.until((state) => of(state)[1]?.draining === true && of(state)[1]?.generation === 2);
    expect(await setInstanceHealth(consul, "a-1", false, "it hangs")).toBe(true);
    await probe.until((state) => of(state)[0]?.healthy === false);
    expect(await setInstanceHealth(consul, "nobody", true)).toBe(false);
    expect((await listOwnInstances(consul, "h1")).map(({ id }) => id).sort()).toEqual(["a-1", "a-2"]);
    expect(await listOwnInstances(consul, "h2")).toEqual([]);
    for (const id of ["a-1", "a-2", "nobody"]) await deregisterInstance(consul, id);
    await probe.until((state) => of(state).length === 0);

    const health = (state: MeshState) => state.services.get("w.A")?.versions.get("1.0.0")?.health;
    const sick = {
      condition: "quarantined",
      sinceMs: 1,
      reason: "it hangs",
      strikes: 1,
      untilMs: 9,
    } as const;
    const said = { instances: { "a-1": sick }, token: 7 };
    expect(await writeVersionHealth(consul, "w.A", "1.0.0", said)).toBe(true);
    expect(health(await probe.until(health))).toEqual(said);
    // A leader that was replaced meanwhile changes nothing.
    await writeVersionHealth(consul, "w.A", "1.0.0", { instances: {}, token: 6 });
    expect(await readKey(consul, healthKey("w.A", "1.0.0"))).toBeDefined();
    await writeVersionHealth(consul, "w.A", "1.0.0", { instances: {}, token: 8 });
    await probe.until((state) => health(state) === undefined);
    expect(await readKey(consul, healthKey("w.A", "1.0.0"))).toBeUndefined();

    await transact(consul, [{ verb: "delete", key: catalogKey("w.A", "1.0.0") }]);
    await probe.until((state) => !state.services.has("w.A"));
    probe.watch.close();
  });

  test("is not asked for anew below a prefix without keys when a key of a similar name changes", async () => {
    const probe = new Probe();
    await probe.watch.ready;
    while ((await readKey(consul, TUNING_PREFIX)) === undefined)
      await new Promise((resolve) => setTimeout(resolve, 20));
    const query = { recurse: "", wait: "2s", index: 0 };
    const first = await consul.request("GET", kvPath(TUNING_PREFIX), { query });
    const waiting = consul.request("GET", kvPath(TUNING_PREFIX), { query: { ...query, index: first.index } });
    await writeKey(consul, tagsKey("w.similar"), '{"release":[{"version":"1.0.0","weight":1}]}');
    expect((await waiting).index).toBe(first.index);
    probe.watch.close();
  });

  test("does not tell what changes nothing", async () => {
    await writeKey(consul, catalogKey("n.A", "1.0.0"), entry("n.A"));
    await registerInstance(consul, instance("n.A", "n-1"));
    const probe = new Probe();
    await probe.until((state) => state.services.get("n.A")?.versions.get("1.0.0")?.instances.length);
    const before = probe.states.length;
    await setInstanceHealth(consul, "n-1", true, "another note");
    await registerInstance(consul, instance("n.A", "n-1"));
    await writeKey(consul, catalogKey("n.A", "1.0.0"), entry("n.A"));
    await writeKey(consul, "rouse/tags/of-no-service", '{"a":[{"version":"1.0.0","weight":1}]}');
    await updateActivation(consul, "n.A", "1.0.0", (now) => ({ ...now, generation: 2 }));
    await probe.until(
      (state) => state.services.get("n.A")?.versions.get("1.0.0")?.activation.generation === 2,
    );
    expect(probe.states.length).toBe(before + 1);
    await deregisterInstance(consul, "n-1");
    probe.watch.close();
  });

  test("keeps the last good value of a key that somebody broke", async () => {
    await writeKey(consul, catalogKey("bad.A", "1.0.0"), entry("bad.A"));
    await writeKey(consul, activationKey("bad.A", "1.0.0"), '{"generation":3}');
    const probe = new Probe();
    await probe.until((state) => state.services.has("bad.A"));
    await writeKey(consul, activationKey("bad.A", "1.0.0"), "{broken");
    await writeKey(consul, tagsKey("bad.A"), '{"x":[{"version":"1.0.0","weight":1}]}');
    const state = await probe.until((now) => now.services.get("bad.A")?.tags.has("x"));
    expect(state.services.get("bad.A")?.versions.get("1.0.0")?.activation.generation).toBe(3);
    const error = await failure(
      updateActivation(consul, "bad.A", "1.0.0", (now) => ({ ...now, generation: 4 })),
    );
    expect(error).toMatchObject({ status: "DATA_LOSS", reason: "CONSUL_VALUE_INVALID" });
    expect(error.message).toContain("rouse/activation/bad.A/1.0.0");
    probe.watch.close();
  });

  test("writers of one activation all get their change in", async () => {
    const adding = () =>
      updateActivation(consul, "race.A", "1.0.0", (now) => ({ ...now, generation: now.generation + 1 }));
    await Promise.all(Array.from({ length: 8 }, adding));
    expect((await adding()).generation).toBe(10);
  });

  test("2,000 services: a change parses what changed, not everything", async () => {
    const names = Array.from({ length: 2_000 }, (_, i) => `bulk.S${i}`);
    for (let from = 0; from < names.length; from += 60) {
      await transact(
        consul,
        names
          .slice(from, from + 60)
          .map((name) => ({ verb: "set", key: catalogKey(name, "1.0.0"), value: entry(name) })),
      );
    }
    const probe = new Probe();
    await probe.watch.ready;
    const before = probe.watch.current();
    expect([...before.services.keys()].filter((name) => name.startsWith("bulk."))).toHaveLength(2_000);
    const startedAt = performance.now();
    await updateActivation(consul, "bulk.S7", "1.0.0", () => ({ generation: 2 }));
    await probe.until(
      (state) => state.services.get("bulk.S7")?.versions.get("1.0.0")?.activation.generation === 2,
    );
    const activationMs = performance.now() - startedAt;
    const took: string[] = [];
    let after = before;
    for (let minor = 0; minor < 4; minor++) {
      const version = `2.${minor}.0`;
      const addedAt = performance.now();
      await writeKey(consul, catalogKey("bulk.S7", version), entry("bulk.S7", version));
      after = await probe.until((state) => state.services.get("bulk.S7")?.versions.has(version));
      took.push((performance.now() - addedAt).toFixed(0));
    }
    console.log(
      `among 2,000 services: an activation is seen after ${activationMs.toFixed(1)} ms, new versions after ${took.join(", ")} ms`,
    );
    const other = [...after.services].filter(([name, service]) => before.services.get(name) !== service);
    expect(other.map(([name]) => name)).toEqual(["bulk.S7"]);
    probe.watch.close();
    await transact(consul, [{ verb: "delete-tree", key: "rouse/catalog/bulk." }]);
  });
});

describe("hosts", () => {
  test("come, are refreshed, and go", async () => {
    let wake = Promise.withResolvers<void>();
    const watch = watchHosts(consul, {
      onChange: () => {
        wake.resolve();
        wake = Promise.withResolvers();
      },
    });
    await watch.ready;
    const { promise } = wake;
    const facts = { address: "127.0.0.1:8073", runtime: "process", cpu: 2, memoryBytes: 2 ** 30, gpu: 0 };
    const host = await registerHost(consul, {
      ...{ host: "h1", ...facts, labels: { disk: "ssd" } },
      ...{ zone: "eu-1a", costPerHour: 0.25, speed: 1.5 },
    });
    await promise;
    expect([...watch.current().values()]).toEqual([
      {
        ...{ host: "h1", ...facts, labels: { disk: "ssd" }, zone: "eu-1a", costPerHour: 0.25, speed: 1.5 },
        ...{ healthy: true, reachable: true, mode: { mode: "active", reason: "", atMs: 0 } },
      },
    ]);
    const drained = wake.promise;
    const mode = { mode: "draining" as const, reason: "new disk", atMs: 7, deadlineMs: 8 };
    await updateHostRecord(consul, "h1", (record) => ({ ...record, mode }));
    await drained;
    expect(watch.current().get("h1")).toMatchObject({ healthy: true, mode });
    const lost = wake.promise;
    const loss = { atMs: 9, token: 3, instances: ["a-1"] };
    await updateHostRecord(consul, "h1", (record) => ({ ...record, lost: loss }));
    await lost;
    expect(watch.current().get("h1")).toMatchObject({ healthy: false, reachable: true, mode, lost: loss });
    await writeKey(consul, hostKey("h1"), "broken");
    expect(await failure(updateHostRecord(consul, "h1", () => ({})))).toMatchObject({
      reason: "CONSUL_VALUE_INVALID",
      message:
        "Consul holds under rouse/hosts/h1 what Rouse cannot read. Delete the key; the host then counts as active.",
    });
    const gone = wake.promise;
    await host.close();
    await gone;
    expect(watch.current().size).toBe(0);
    watch.close();
  });
});

describe("Consul goes away", () => {
  test("the last state stays, and what changed meanwhile is seen afterwards", async () => {
    await writeKey(consul, catalogKey("away.A", "1.0.0"), entry("away.A"));
    const probe = new Probe();
    await registerInstance(consul, instance("away.A", "away-1"));
    await probe.until((state) => state.services.get("away.A")?.versions.get("1.0.0")?.instances.length === 1);
    const seen = probe.states.length;
    await server.kill();
    await expect.poll(() => probe.watch.stale(), { interval: 5, timeout: 30_000 }).toBe(true);
    expect(probe.watch.current().services.has("away.A")).toBe(true);
    const error = await failure(consul.request("GET", "/v1/status/leader"));
    expect(error).toMatchObject({ status: "UNAVAILABLE", reason: "CONSUL_UNREACHABLE" });
    expect(error.message).toBe(
      `Consul does not answer at ${server.address} (ECONNREFUSED). Start it, or name another with --consul.`,
    );
    await server.restart();
    await writeKey(consul, tagsKey("away.A"), '{"x":[{"version":"1.0.0","weight":1}]}');
    await probe.until((state) => state.services.get("away.A")?.tags.has("x"));
    await expect.poll(() => probe.watch.stale(), { interval: 5, timeout: 30_000 }).toBe(false);
    // An instance stayed in service all the while. The agent's sync with the servers comes after its start; wait for one.
    await registerInstance(consul, instance("away.A", "away-2"));
    await probe.until((state) => state.services.get("away.A")?.versions.get("1.0.0")?.instances.length === 2);
    const instances = probe.states
      .slice(seen)
      .flatMap((now) => [
        ...(now.services.get("away.A")?.versions.get("1.0.0")?.instances ?? [{ healthy: false }]),
      ]);
    expect(instances.every(({ healthy }) => healthy)).toBe(true);
    for (const id of ["away-1", "away-2"]) await deregisterInstance(consul, id);
    probe.watch.close();
  });

  test("another Consul with smaller indexes in its place is read from the start", async () => {
    await writeKey(consul, catalogKey("old.A", "1.0.0"), entry("old.A"));
    await writeKey(consul, tagsKey("old.A"), '{"x":[{"version":"1.0.0","weight":1}]}');
    const probe = new Probe();
    await probe.until((state) => state.services.has("old.A"));
    await server.restart({ fresh: true });
    await writeKey(consul, catalogKey("new.A", "1.0.0"), entry("new.A"));
    const state = await probe.until((now) => now.services.has("new.A") && !now.services.has("old.A"));
    expect([...state.services.keys()]).toEqual(["new.A"]);
    await updateActivation(consul, "new.A", "1.0.0", () => ({ generation: 5 }));
    await probe.until((now) => now.services.get("new.A")?.versions.get("1.0.0")?.activation.generation === 5);
    probe.watch.close();
  });

  test("a snapshot put back under the watch takes it back in time", async () => {
    const url = `http://${server.address}/v1/snapshot`;
    const probe = new Probe();
    await probe.until((state) => state.services.has("new.A"));
    const snapshot = await (await fetch(url)).arrayBuffer();
    for (let i = 0; i < 20; i++)
      await writeKey(consul, catalogKey("late.A", `1.${i}.0`), entry("late.A", `1.${i}.0`));
    await probe.until((state) => state.services.get("late.A")?.versions.size === 20);
    expect((await fetch(url, { method: "PUT", body: snapshot })).status).toBe(200);
    await probe.until((state) => !state.services.has("late.A"));
    await updateActivation(consul, "new.A", "1.0.0", () => ({ generation: 6 }));
    await probe.until((now) => now.services.get("new.A")?.versions.get("1.0.0")?.activation.generation === 6);
    probe.watch.close();
  });

  test("a watch that begins while Consul is away is ready when it comes", async () => {
    await server.kill();
    const probe = new Probe();
    await expect.poll(() => probe.watch.stale(), { interval: 5, timeout: 30_000 }).toBe(true);
    await server.restart();
    await probe.watch.ready;
    expect(probe.watch.current().services.has("new.A")).toBe(true);
    probe.watch.close();
    const closed = new Probe();
    closed.watch.close();
    await expect(closed.watch.ready).rejects.toThrow("closed before its first complete read");
  });
});

test("an address that is none, and what Consul refuses", async () => {
  expect(() => new ConsulClient({ address: "ftp://x" })).toThrow('"ftp://x" is no address of Consul');
  const large = await failure(writeKey(consul, `${ACTIVATION_PREFIX}x`, "x".repeat(600_000)));
  expect(large).toMatchObject({ status: "FAILED_PRECONDITION", reason: "CONSUL_REFUSED" });
  expect(large.message).toContain("answered 413 to PUT /v1/kv/rouse/activation/x");
  expect(await failure(registerInstance(consul, instance("x.Y", "x", { address: "nowhere" })))).toMatchObject(
    {
      reason: "ADDRESS_INVALID",
    },
  );
});
