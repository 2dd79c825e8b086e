import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readRecording } from "../cli/tune/recording.ts";
import { createProbeServiceClient } from "./fixtures/probe/gen/probe/v1/probe.client.ts";
import { liveVersions, until } from "./support/live.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { makeProbe, type Probe, type ProbeOptions } from "./support/probe.ts";
import { rouseOk } from "./support/rouse.ts";

const service = "probe.v1.ProbeService";

let mesh: TestMesh;
const probes: Probe[] = [];

/** What shares an instance's calls. */
const kinds = [
  { name: "processes", kind: "KIND_PROCESSES", version: "3.0.0" },
  { name: "threads", kind: "KIND_THREADS", version: "4.0.0" },
] as const;

const scaled = (options: string) => (contract: string) => {
  const quick = 'scaling: {stable_window: "2s", panic_window: "1s", scale_down_delay: "1s"}';
  return contract.replace("min_instances: 0", `min_instances: 0 ${options} ${quick}`);
};

beforeAll(async () => {
  mesh = await startMesh({ runtime: "process" });
  const versions: ProbeOptions[] = [
    { version: "1.0.0", edit: scaled("target_concurrency: 4 max_instances: 3") },
    ...kinds.map(({ version, kind }) => ({
      version,
      edit: scaled(`target_concurrency: 8 max_instances: 1 workers: {kind: ${kind}, count: 2}`),
      memory: "256Mi",
    })),
    { version: "2.0.0", edit: scaled("target_concurrency: 1 max_instances: 1"), memory: "512Mi" },
  ];
  for (const options of versions) {
    const probe = await makeProbe({ ...options, cpu: 0.1 });
    probes.push(probe);
    await probe.register(mesh.data);
  }
});

afterAll(async () => {
  await mesh?.close();
  for (const probe of probes) await probe.remove();
});

const instancesOf = async (version: string) =>
  (await liveVersions(mesh, service)).find((one) => one.version === version)?.instances ?? [];

const untilInstances = (version: string, count: number) =>
  until(`${version} has ${count} instances`, async () => (await instancesOf(version)).length === count);

/** Callers that call all the time until they are stopped. */
function callers(count: number, version: string) {
  const client = createProbeServiceClient({ target: mesh.edge, version, retries: 0 });
  const lost: string[] = [];
  const answeredBy = new Set<string>();
  let stopped = false;
  const loops = Array.from({ length: count }, async () => {
    while (!stopped) {
      try {
        const { instance } = await client.wait({ ms: 100 }, { deadlineMs: 30_000 });
        answeredBy.add(instance);
      } catch (error) {
        lost.push(String(error));
        await sleep(100);
      }
    }
  });
  return {
    lost,
    answeredBy,
    async stop() {
      stopped = true;
      await Promise.all(loops);
      client.close();
    },
  };
}

describe("load", () => {
  test("adds instances, and takes them away when it ends; no call is lost", async () => {
    const steady = callers(1, "1.0.0");
    const crowd = callers(15, "1.0.0");
    try {
      await untilInstances("1.0.0", 3);
      await until("all three answer", async () => crowd.answeredBy.size >= 3);
      await crowd.stop();
      await untilInstances("1.0.0", 1);
    } finally {
      await crowd.stop();
      await steady.stop();
    }
    expect([...steady.lost, ...crowd.lost]).toEqual([]);
  });
});

describe("rouse tune", () => {
  test("changes what holds while the version runs", async () => {
    const args = ["--data", mesh.data];
    const said = await rouseOk([
      "tune",
      service,
      "1.0.0",
      "--min",
      "2",
      "--target-concurrency",
      "50",
      ...args,
    ]);
    expect(said).toContain("target_concurrency of the contract → 50");
    await untilInstances("1.0.0", 2);
    const shown = await rouseOk(["tune", service, "1.0.0", ...args]);
    expect(shown).toMatch(/target_concurrency +50 +tuned by administrator/);
    expect(shown).toMatch(/max_instances +3 +contract/);
    await rouseOk(["tune", service, "1.0.0", "--reset", ...args]);
    await untilInstances("1.0.0", 1);
    expect(await rouseOk(["history", service, ...args])).toMatch(
      /tuned +1\.0\.0 .*min_instances 2 → of the contract/,
    );
  });

  test("judges a change by the load that was recorded", async () => {
    const file = `${mesh.data}/load.json`;
    await rouseOk(["tune", service, "1.0.0", "--export", file, "--data", mesh.data]);
    const shown = await rouseOk([
      ...["tune", service, "1.0.0", "--simulate", "--from", file, "--max", "1"],
      ...["--data", mesh.data],
    ]);
    expect(shown).toMatch(/instance-seconds +\d+ +\d+/);
    expect(shown).toMatch(/most instances +3 +1/);
    expect(await instancesOf("1.0.0")).toHaveLength(1);
  });

  test("knows the load that was recorded before its leader was killed", async () => {
    const file = `${mesh.data}/load.json`;
    const recorded = async () => {
      await rouseOk(["tune", service, "1.0.0", "--export", file, "--data", mesh.data]);
      return (await readRecording(file)).samples;
    };
    const before = await recorded();
    expect(before.length).toBeGreaterThan(2);
    await mesh.restart("control-plane", "SIGKILL");
    let after: Awaited<ReturnType<typeof recorded>> = [];
    await until("the next one leads", async () => {
      after = await recorded().catch(() => []);
      return after.length > 0;
    });
    // The last second may have grown.
    expect(after.slice(0, before.length - 1)).toEqual(before.slice(0, -1));
  });
});

describe("a lower high watermark", () => {
  test("has an instance added for a load that stays as it is", async () => {
    const args = ["--data", mesh.data];
    const client = createProbeServiceClient({ target: mesh.edge, version: "1.0.0", retries: 0 });
    const over = new AbortController();
    const lost: string[] = [];
    const streams = Array.from({ length: 3 }, async () => {
      try {
        for await (const _ of client.tick({ count: 1_000_000, intervalMs: 100 }, { signal: over.signal }));
      } catch (error) {
        if (!over.signal.aborted) lost.push(String(error));
      }
    });
    try {
      await until("one instance is enough for three", async () =>
        / instances wanted now: 1 \(3(\.0)? in progress\)/.test(
          await rouseOk(["tune", service, "1.0.0", ...args]),
        ),
      );
      expect(await instancesOf("1.0.0")).toHaveLength(1);
      const watermarks = ["--high-watermark", "0.5", "--low-watermark", "0.2"];
      await rouseOk(["tune", service, "1.0.0", ...watermarks, ...args]);
      await untilInstances("1.0.0", 2);
      expect(lost).toEqual([]);
    } finally {
      over.abort();
      await Promise.all(streams);
      client.close();
      await rouseOk(["tune", service, "1.0.0", "--reset", ...args]);
    }
  });
});

describe.each(kinds)("an instance with workers that are $name", ({ name, version }) => {
  test("has its calls served by all of them, and is replaced when it is tuned, without losing one", async () => {
    using client = createProbeServiceClient({ target: mesh.edge, version, retries: 0 });
    const processes = new Set<number>();
    const workers = new Set<string>();
    await until("both workers answer", async () => {
      const calls = Array.from({ length: 8 }, () => client.wait({ ms: 100 }, { deadlineMs: 60_000 }));
      for (const { process, thread } of await Promise.all(calls)) {
        processes.add(process);
        workers.add(`${process} ${thread}`);
      }
      return workers.size === 2;
    });
    expect(processes.size).toBe(name === "processes" ? 2 : 1);
    const [instance, ...others] = await instancesOf(version);
    expect(others).toEqual([]);
    const { instance: said } = await client.echo({ text: "x" });
    expect(said).toBe(instance?.id);
    // Tuned, it is replaced while calls go on and streams are open.
    const crowd = callers(2, version);
    const open = Array.from({ length: 8 }, () => client.tick({ count: 50, intervalMs: 100 }));
    const streams = open.map((numbers) => numbers[Symbol.asyncIterator]());
    await Promise.all(streams.map((numbers) => numbers.next()));
    const tune = ["tune", service, version, "--workers", "1", "--pin-cores", "on"];
    const told = await rouseOk([...tune, "--data", mesh.data]);
    expect(told).toContain("workers, pin_cores: instances that run are replaced one after the other");
    const rest = streams.map(async (numbers) => {
      let last = 0;
      for (let next = await numbers.next(); next.done !== true; next = await numbers.next())
        last = next.value.number;
      return last;
    });
    try {
      await until("another one is in its place", async () => {
        const now = await instancesOf(version);
        return now.length === 1 && now.every(({ id }) => id !== instance?.id);
      });
      expect(await Promise.all(rest)).toEqual(Array.from({ length: 8 }, () => 50));
    } finally {
      await crowd.stop();
    }
    expect(crowd.lost).toEqual([]);
    const after = await Promise.all(Array.from({ length: 8 }, () => client.wait({ ms: 50 })));
    expect(new Set(after.map(({ process, thread }) => `${process} ${thread}`)).size).toBe(1);
    await until("it stays on a core", async () => {
      const status = await readFile(`/proc/${after[0]?.process}/status`, "utf8");
      return /^Cpus_allowed_list:\s*\d+$/m.test(status);
    });
  });
});

describe("a service that calls itself a thousand levels deep", () => {
  // More than the streams that a connection may usually have.
  const levels = 1_100;
  const descend = async () => {
    using client = createProbeServiceClient({ target: mesh.edge, version: "2.0.0", retries: 0 });
    return await client.descend({ depth: levels }, { deadlineMs: 600_000 });
  };

  test("is answered though the one instance it may have aims at one call", async () => {
    const { depth, instances } = await descend();
    expect(depth).toBe(levels);
    expect(instances).toHaveLength(1);
  }, 600_000);

  test("is answered by two", async () => {
    await rouseOk(["tune", service, "2.0.0", "--min", "2", "--max", "2", "--data", mesh.data]);
    await untilInstances("2.0.0", 2);
    await until(
      "both answer",
      async () => {
        const { depth, instances } = await descend();
        expect(depth).toBe(levels);
        return instances.length === 2;
      },
      500_000,
    );
  }, 600_000);
});
