import { once } from "node:events";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { credentials } from "@grpc/grpc-js";
import type { ContainerInspectInfo } from "dockerode";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  AgentClient,
  InstanceState,
  type JobsHeld,
  type LogLine,
  type WatchHealthResponse,
} from "#proto/rouse/agent/v1/agent.ts";
import { type Job, JobSpec, JobState, JobsClient } from "#proto/rouse/agent/v1/jobs.ts";
import { unary } from "../../sdk/grpc.ts";
import { MisbehaveResponse } from "../../test/fixtures/jobs/gen/jobs/v1/jobs.ts";
import { smallDisk } from "../../test/support/small-disk.ts";
import { makeFolders } from "../folders.ts";
import { containerMembers } from "../runtimes/proc.ts";
import { containersOf, findEngine, removeBundleImage } from "../testing/docker.ts";
import { failure, startRig, until } from "../testing/rig.ts";
import { newJob } from "./jobs.ts";
import { whereOrdersAre } from "./orders.ts";
import { JobRecords } from "./records.ts";
import { checkJob } from "./spec.ts";
import { loadForeignJob } from "./testing/foreign-image.ts";
import { type JobRig, MEBIBYTE, SERVICE, startJobRig } from "./testing/rig.ts";

const { engine, missing } = await findEngine();
const foreign = "rouse-test/foreign-job:1";

/** The way to the engine; its next requests of one kind break off. */
async function wayToEngine() {
  const path = join(mkdtempSync(join(tmpdir(), "rouse-engine-")), "docker.sock");
  const broken = { kind: "never", left: 0 };
  const server = createServer((near) => {
    const far = connect(engine.where.slice("unix://".length));
    const end = () => {
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) socket.on("error", end).on("close", end);
    near.on("data", (chunk: Buffer) => {
      const [line = ""] = chunk.toString("latin1").split("\r\n", 1);
      if (broken.left === 0 || !line.includes(broken.kind)) return void far.write(chunk);
      broken.left -= 1;
      end();
    });
    far.pipe(near);
  });
  server.listen(path);
  await once(server, "listening");
  return {
    url: `unix://${path}`,
    broken,
    close: () => {
      server.close();
      rmSync(dirname(path), { recursive: true });
    },
  };
}

describe.skipIf(missing !== "")(`jobs${missing && ` (skipped: ${missing})`}`, () => {
  let rig: JobRig;
  let way: Awaited<ReturnType<typeof wayToEngine>>;
  let owner: string;
  let removeForeign: () => Promise<void>;
  beforeAll(async () => {
    way = await wayToEngine();
    rig = await startJobRig({
      dockerHost: way.url,
      cpu: 8,
      memoryBytes: 8 * 2 ** 30,
      maxLogBytes: 64 * 1024,
    });
    owner = makeFolders(rig.rig.dataDir).owner;
    removeForeign = await loadForeignJob(engine, foreign);
  });
  afterAll(async () => {
    await rig?.close();
    way?.close();
    await removeForeign?.();
    if (rig !== undefined) {
      await removeBundleImage(engine, rig.rig.bundle.digest);
      await removeBundleImage(engine, rig.bundle.digest);
    }
    if (owner !== undefined) expect(await containersOf(engine, owner)).toEqual([]);
  });

  const jobContainers = async () =>
    (await containersOf(engine, owner)).filter((name) => name.includes("-job-"));
  const sockets = () => readdirSync(join(rig.rig.dataDir, "agent", "js"));
  const linesOf = async (jobId: string) => {
    const lines: LogLine[] = [];
    const stream = rig.client.jobLogs({ jobId, tail: 0, follow: false });
    for await (const line of stream as AsyncIterable<LogLine>) lines.push(line);
    return lines;
  };

  test("nothing is left of a job, and all of it is told until it is forgotten", async () => {
    const before = {
      volumes: (await engine.docker.listVolumes()).Volumes.map(({ Name }) => Name).sort(),
      networks: (await engine.docker.listNetworks()).map(({ Name }) => Name).sort(),
    };
    await rig.run("leaves", rig.misbehaves("later"));
    await rig.when("leaves", ({ state }) => state === JobState.RUNNING);
    const { container, places } = await tracesOf("leaves");
    const { HostConfig, Mounts } = container;
    expect(places).toEqual(expect.arrayContaining([expect.stringContaining("cgroup"), Mounts[0]?.Source]));
    expect(HostConfig).toMatchObject({
      NetworkMode: "none",
      ReadonlyRootfs: true,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges:true"],
      PidsLimit: 64,
      Memory: 112 * MEBIBYTE,
      MemorySwap: 112 * MEBIBYTE,
    });
    expect(Mounts).toHaveLength(1);
    expect(Mounts[0]).toMatchObject({ Destination: "/run/rouse", RW: false });
    expect(sockets()).toHaveLength(1);
    const used = await unaryStatus();
    expect(used.cpuUsed).toBeCloseTo(0.5);
    expect(used.memoryUsedBytes).toBe(112 * MEBIBYTE);

    const job = await rig.ended("leaves");
    expect(job).toMatchObject({ state: JobState.SUCCEEDED, error: undefined });
    expect(MisbehaveResponse.decode(job.result ?? Buffer.alloc(0)).found).toEqual({ answer: "late" });
    expect(job.used?.cpuSeconds).toBeGreaterThan(0);
    expect(job.used?.peakMemoryBytes).toBeGreaterThan(MEBIBYTE);
    const { cost = 0, wallMs = 0 } = job.used ?? {};
    // Half a core of 8 is the greater share; the host costs 10 per hour.
    expect(cost).toBeCloseTo((10 * 0.5 * wallMs) / 8 / 3_600_000, 10);

    expect(await jobContainers()).toEqual([]);
    expectGone({ container, places });
    expect((await engine.docker.listVolumes()).Volumes.map((one) => one.Name).sort()).toEqual(before.volumes);
    expect((await engine.docker.listNetworks()).map((one) => one.Name).sort()).toEqual(before.networks);
    expect((await unaryStatus()).cpuUsed).toBe(0);
    await unary(rig.client, "forgetJob", { jobId: "leaves" });
    expect(readdirSync(join(rig.rig.dataDir, "agent", "jobs"))).toEqual([]);
    expect(await failure(unary(rig.client, "getJob", { jobId: "leaves" }))).toMatchObject({
      status: "NOT_FOUND",
      reason: "JOB_UNKNOWN",
    });
  });

  test("nothing is left of those that are killed: for memory, for time, and by whoever stops them", async () => {
    const ends: [how: string, reason: string, changes?: Partial<JobSpec>][] = [
      ["memory", "JOB_OUT_OF_MEMORY"],
      ["spin", "JOB_TIMEOUT", { timeMs: 10_000 }],
      ["sleep", "JOB_STOPPED"],
    ];
    const traces = await Promise.all(
      ends.map(async ([how, , changes]) => {
        await rig.run(`ends-${how}`, rig.misbehaves(how, how === "memory" ? ["gate"] : [], changes));
        await rig.when(`ends-${how}`, ({ state }) => state === JobState.RUNNING);
        return tracesOf(`ends-${how}`);
      }),
    );
    openGate(traces[0]?.container.Mounts[0]?.Source);
    await unary(rig.client, "stopJob", { jobId: "ends-sleep", graceMs: 1, reason: "" });
    for (const [how, reason] of ends) expect((await rig.ended(`ends-${how}`)).error?.reason).toBe(reason);
    expect(await jobContainers()).toEqual([]);
    traces.forEach(expectGone);
    expect((await unaryStatus()).cpuUsed).toBe(0);
  });

  test("what jobs hold is told to whoever follows the host's instances", async () => {
    const client = new AgentClient(rig.agent.address, credentials.createInsecure());
    const stream = client.watchHealth({});
    const told: (JobsHeld | undefined)[] = [];
    stream.on("data", ({ jobs }: WatchHealthResponse) => told.push(jobs)).on("error", () => undefined);
    const none = { jobs: 0, cpu: 0, memoryBytes: 0, gpu: 0 };
    try {
      await until("it is told that there are none", async () => told.length > 0);
      expect(told).toEqual([none]);
      await rig.run("holds", rig.misbehaves("sleep"));
      await until("it is told that there is one", async () => told.length > 1);
      await unary(rig.client, "stopJob", { jobId: "holds", graceMs: 1, reason: "seen" });
      await until("it is told that there is none", async () => told.length > 2);
      expect(told.slice(1)).toEqual([{ jobs: 1, cpu: 0.5, memoryBytes: 112 * MEBIBYTE, gpu: 0 }, none]);
    } finally {
      stream.cancel();
      client.close();
    }
  });

  test("the same job is not run twice, and another does not get its id", async () => {
    const spec = rig.misbehaves("connect");
    const first = await rig.done("same", spec);
    expect((await rig.run("same", spec)).acceptedAtMs).toBe(first.acceptedAtMs);
    expect(await failure(rig.run("same", rig.misbehaves("read")))).toMatchObject({
      status: "ALREADY_EXISTS",
      reason: "JOB_ID_TAKEN",
      message: "Job same exists with another description. Choose another id.",
    });
  });

  test("a job that does not fit is refused", async () => {
    const { program } = rig.misbehaves("connect");
    const needs = (memoryBytes: number) =>
      rig.misbehaves("connect", [], { program: program && { ...program, memoryBytes } });
    expect(await failure(rig.run("too-large", needs(9 * 2 ** 30)))).toMatchObject({
      status: "RESOURCE_EXHAUSTED",
      reason: "HOST_TOO_SMALL",
    });
    await rig.run("large", { ...rig.misbehaves("sleep"), diskBytes: 7 * 2 ** 30 });
    expect(await failure(rig.run("no-room", needs(2 ** 30)))).toMatchObject({ reason: "HOST_FULL" });
    const { job } = await unary(rig.client, "stopJob", { jobId: "large", graceMs: 1, reason: "not needed" });
    expect(job).toMatchObject({
      state: JobState.STOPPED,
      error: {
        code: 1,
        reason: "JOB_STOPPED",
        message: `Misbehave of ${SERVICE} 1.0.0 was stopped: not needed.`,
        hostFault: false,
      },
    });
    expect(await failure(rig.run("odd", { ...rig.misbehaves("sleep"), processes: 3 }))).toMatchObject({
      reason: "JOB_INVALID",
      message: "The job's description is invalid: processes is 3; it may be 16 to 32768.",
    });
  });

  test("a job has the place of an instance on standby, and waits for none that serves", async () => {
    const base = { fencingToken: 0, generation: 1, placed: "" };
    const instanceId = "idle";
    const spec = rig.rig.spec("serve", { memoryBytes: 5 * 2 ** 30 });
    const big = (id: string) => rig.run(id, { ...rig.misbehaves("connect"), diskBytes: 6 * 2 ** 30 });
    try {
      await asAgent((client) =>
        unary(client, "startInstance", { ...base, instanceId, spec }, { deadlineMs: 90_000 }),
      );
      expect(await failure(big("no-place"))).toMatchObject({ reason: "HOST_FULL" });
      await asAgent((client) =>
        unary(client, "suspendInstance", { fencingToken: 0, instanceId, generation: 2, lastUsedMs: 1_000 }),
      );
      await big("evicts");
      expect(await rig.ended("evicts")).toMatchObject({ state: JobState.SUCCEEDED });
      const { instances } = await asAgent((client) => unary(client, "listInstances", {}));
      const idle = instances.find(({ id }) => id === instanceId);
      expect(idle?.state).toBe(InstanceState.STOPPED);
      expect(idle?.reason).toContain(`evicted from standby: ${SERVICE} 1.0.0 needs its place`);
    } finally {
      await asAgent((client) =>
        unary(client, "stopInstance", { fencingToken: 0, instanceId, graceMs: 1, reason: "" }),
      );
    }
  });

  describe("from inside", () => {
    let listener: Server;
    let port: number;
    let instance: string;
    beforeAll(async () => {
      listener = createServer((socket) => socket.end());
      await new Promise<void>((resolve) => listener.listen(0, "0.0.0.0", resolve));
      port = (listener.address() as { port: number }).port;
      const request = {
        fencingToken: 0,
        instanceId: "neighbour",
        spec: rig.rig.spec("serve"),
        generation: 1,
        placed: "",
      };
      const started = await asAgent((client) =>
        unary(client, "startInstance", request, { deadlineMs: 90_000 }),
      );
      instance = started.instance?.address ?? "";
    });
    afterAll(async () => {
      listener?.close();
      await asAgent((client) =>
        unary(client, "stopInstance", { fencingToken: 0, instanceId: "neighbour", graceMs: 1, reason: "" }),
      );
    });

    test("no network can be reached: not the host's, not other containers', not the world's", async () => {
      const own = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
      const addresses = own
        .filter(({ family }) => family === "IPv4")
        .map(({ address }) => `${address}:${port}`);
      const targets = [
        ...addresses,
        instance,
        rig.agent.address,
        rig.rig.consul.address,
        // Where clouds tell a host about itself.
        "169.254.169.254:80",
        "1.1.1.1:53",
        ...[
          "/var/run/docker.sock",
          "/run/docker.sock",
          engine.where.slice(7),
          `${rig.rig.dataDir}/run/notify.sock`,
        ]
          .concat("/run/rouse/notify.sock", "/run/rouse/mesh.sock")
          .map((path) => `unix:${path}`),
      ];
      expect(addresses.length).toBeGreaterThan(0);
      const found = await rig.found("connects", "connect", targets);
      const answers = new Set(Object.values(found));
      expect(Object.keys(found)).toHaveLength(new Set(targets).size);
      for (const answer of answers)
        expect(["ECONNREFUSED", "ENETUNREACH", "ENOENT", "EACCES"]).toContain(answer);
      // The same from here, to know that there is something to be reached.
      for (const target of [`127.0.0.1:${port}`, instance]) {
        const [host = "", wanted] = target.split(":");
        await new Promise<void>((resolve, reject) => {
          const socket = connect(Number(wanted), host, () => resolve(void socket.destroy()));
          socket.once("error", reject);
        });
      }
    });

    test("nothing of the host or of other jobs can be read, and nothing be written but scratch space", async () => {
      await rig.run("other", rig.misbehaves("sleep"));
      const found = await rig.found("reads", "read", [
        "/run/rouse",
        "/tmp",
        rig.rig.dataDir,
        "/var/lib/docker",
        "/root",
        "/home",
        "/etc/shadow",
        "/proc/kcore",
        "/proc/1/environ",
        "/dev",
        "/etc/resolv.conf",
        "/etc/hostname",
      ]);
      // It ran meanwhile.
      expect((await unary(rig.client, "getJob", { jobId: "other" })).job?.endedAtMs).toBe(0);
      expect(found["/run/rouse"]).toBe("job.sock");
      expect(found["/tmp"]).toBe("");
      for (const path of [rig.rig.dataDir, "/var/lib/docker", "/root", "/home", "/etc/shadow"])
        expect([path, found[path]]).toEqual([path, "ENOENT"]);
      expect(found["/proc/kcore"]).toMatch(/^(|EACCES|EPERM|ENOENT)$/);
      expect(found["/proc/1/environ"]).toMatch(/^(EACCES|EPERM|PATH=\/bin)/);
      expect(found["/etc/hostname"]).toBe("job\n");
      // Who names the machines in the host's network, and how.
      const names = [
        ...(found["/etc/resolv.conf"] ?? "").matchAll(/^(?:nameserver|search|domain)\s+(.*)$/gm),
      ];
      expect(names.map(([, words]) => words).filter((words) => words !== ".")).toEqual(["127.0.0.1"]);
      expect(found["/dev"]).not.toMatch(/\b(sd[a-z]|vd[a-z]|nvme|kvm|mem|loop)/);
      await unary(rig.client, "stopJob", { jobId: "other", graceMs: 1, reason: "" });
      const writing = await rig.found("writes", "write", [
        "/tmp/mine",
        "/dev/shm/mine",
        "/written",
        "/app/written",
        "/run/rouse/written",
        "/proc/sys/kernel/core_pattern",
        "/proc/sysrq-trigger",
        "/sys/kernel/profiling",
        "/sys/fs/cgroup/written",
      ]);
      const { "/tmp/mine": mine, "/dev/shm/mine": shared, ...others } = writing;
      expect([mine, shared]).toEqual(["written", "written"]);
      for (const [path, answer] of Object.entries(others))
        expect([path, ["EROFS", "EACCES", "EPERM", "ENOENT"].includes(answer)]).toEqual([path, true]);
    });

    test("a job is nobody, has no powers, and knows nothing of its host", async () => {
      const {
        status = "",
        networks,
        environment = "",
        processes,
        mounts = "",
      } = await rig.found("looks", "identity");
      expect(status).toMatch(/^Uid:\s+[1-9]\d*\s/m);
      for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
        expect(status).toMatch(new RegExp(`^${set}:\\s+0+$`, "m"));
      expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
      expect(status).toMatch(/^Seccomp:\s+2$/m);
      expect(networks).toMatch(/^(lo)?$/);
      // Its own, and the init that ends what it leaves.
      expect(processes?.split(" ").length).toBeLessThanOrEqual(2);
      const known = [
        "HOME",
        "HOSTNAME",
        "PATH",
        "ROUSE_APP",
        "ROUSE_JOB",
        "ROUSE_JOB_ID",
        "ROUSE_JOB_METHOD",
      ];
      expect(Object.keys(JSON.parse(environment)).sort()).toEqual(
        [...known, "ROUSE_SERVICE", "ROUSE_VERSION", "SSL_CERT_FILE", "TMPDIR"].sort(),
      );
      const kernels = /^(tmpfs|proc|sysfs|cgroup2?|devpts|mqueue|overlay|devtmpfs)$/;
      const hosts = mounts.split("\n").flatMap((line) => {
        const [, target = "", type = ""] = line.split(" ");
        return kernels.test(type) || line === "" ? [] : [target];
      });
      // The engine's own, and the folder of the socket.
      for (const target of hosts)
        expect(target).toMatch(
          /^\/(etc\/(hosts|hostname|resolv\.conf)|run\/rouse|sbin\/docker-init|dev\/init)$/,
        );
    });

    test("an image of others works by plain HTTP, and cannot gain powers by setuid, mounts or namespaces, nor touch other processes", async () => {
      await rig.run("victim", rig.misbehaves("sleep"));
      await rig.when("victim", ({ state }) => state === JobState.RUNNING);
      const [victim = ""] = (await jobContainers()).filter((name) => name.endsWith("-victim"));
      const { Id } = await engine.docker.getContainer(victim).inspect();
      // By the numbers that they have on the host: the other job's, the agent's, and the host's first.
      const pids = [...containerMembers(Id), process.pid].map(String);
      expect(pids.length).toBeGreaterThan(1);
      const volumes = async () => (await engine.docker.listVolumes()).Volumes.length;
      const before = await volumes();
      const { program } = rig.misbehaves("connect");
      const own = program && { ...program, service: "foreign.v1.Foreign", bundle: "", image: foreign };
      const job = await rig.done("foreign", {
        ...rig.misbehaves("connect"),
        program: own,
        requestJson: JSON.stringify({ hello: "world", pids }),
      });
      expect(job.error).toBeUndefined();
      expect(job).toMatchObject({
        state: JobState.SUCCEEDED,
        result: undefined,
        progress: { fraction: 0.5, note: "half" },
        metadata: { language: "any" },
      });
      const result = JSON.parse(job.resultJson ?? "") as Record<string, string>;
      expect(result.said).toEqual({ hello: "world", pids });
      expect(result.identity).toMatch(/^0 [1-9]\d*$/);
      for (const way of ["user", "mounts", "network", "mount"]) expect(result[way]).not.toMatch(/^0 /);
      // EPERM or ESRCH: there are no such processes.
      const touched = result.touched?.replace(/^0 /, "").split("\n") ?? [];
      expect(touched).toEqual(pids.map((pid) => expect.stringMatching(new RegExp(`^${pid} [13] [13]$`))));
      // A volume that the image asks for is scratch space as well, and bounded.
      expect(result.volume).toMatch(/^ENOSPC tmpfs \/data tmpfs rw,/);
      expect(result.shared).toMatch(/^ENOSPC shm \/dev\/shm tmpfs rw,.*\bsize=16384k\b/);
      expect(await volumes()).toBe(before);
      await unary(rig.client, "stopJob", { jobId: "victim", graceMs: 1, reason: "" });
    });

    test("its socket gives it what is its own, and says what it has", async () => {
      const foreignUri = `artifact:sha256-${"a".repeat(64)}`;
      const found = await rig.found("asks", "ask", [
        "/v1/metadata",
        "/v1/inputs",
        "/v1/inputs/none",
        `/v1/artifacts/${encodeURIComponent(foreignUri)}`,
        "/v1/nowhere",
        "/../../etc/passwd",
      ]);
      expect(found["/v1/metadata"]).toBe("200 {}\n");
      expect(found["/v1/inputs"]).toBe("200 {}\n");
      expect(found["/v1/inputs/none"]).toMatch(/^404 .*JOB_INPUT_UNKNOWN/);
      expect(found[`/v1/artifacts/${encodeURIComponent(foreignUri)}`]).toMatch(/^403 .*JOB_ARTIFACT_FOREIGN/);
      expect(found["/v1/nowhere"]).toMatch(
        /^404 .*A job's socket has no GET \/v1\/nowhere\. It has GET \/v1\/job/,
      );
      expect(found["/../../etc/passwd"]).toMatch(/^404 .*JOB_PATH_UNKNOWN/);
    });
  });

  describe("limits", () => {
    const cases: [how: string, reason: string, code: number, words: RegExp, changes?: object][] = [
      ["memory", "JOB_OUT_OF_MEMORY", 8, /used more than its 96 MiB of memory .* Raise resources\.memory/],
      ["disk", "JOB_DISK_FULL", 8, /filled its 16 MiB of scratch space and was killed\. Raise job\.disk/],
      [
        "spin",
        "JOB_TIMEOUT",
        4,
        /was not done within its 3000 ms and was killed\. Raise the method's deadline/,
        { timeMs: 3_000 },
      ],
      ["exit", "JOB_EXITED", 10, /exited with code 7\. Its last output:\n(.*\n)?.*the very last words/],
      ["nothing", "JOB_NO_RESULT", 9, /ended with code 0, but told no result\. Let it POST one/],
      ["refuse", "CHROMOSOME_UNKNOWN", 11, /^There is no such chromosome\.$/],
      ["accident", "HANDLER_FAILED", 13, /^The service failed\. Its log has the cause/],
    ];
    let all: Job[];
    beforeAll(async () => {
      all = await Promise.all(
        cases.map(([how, , , , changes]) => rig.done(`limit-${how}`, rig.misbehaves(how, [], changes))),
      );
    });

    test.each(cases)("%s ends with %s", (how, reason, code, words) => {
      const job = all.find(({ id }) => id === `limit-${how}`);
      expect(job).toMatchObject({ state: JobState.FAILED, error: { reason, code, hostFault: false } });
      expect(job?.error?.message).toMatch(words);
      expect(job?.error?.message).not.toContain("a secret");
      if (how === "exit") expect(job?.error?.exitCode).toBe(7);
    });

    test("a fork bomb is held, and hurts only itself", async () => {
      const { program } = rig.misbehaves("fork");
      const roomy = program && { ...program, memoryBytes: 1_024 * MEBIBYTE };
      const job = await rig.done("bomb", rig.misbehaves("fork", [], { program: roomy }));
      const { threads } = MisbehaveResponse.decode(job.result ?? Buffer.alloc(0)).found;
      expect(Number(threads ?? (job.progress?.note || 0))).toBeLessThanOrEqual(64);
      if (job.state === JobState.SUCCEEDED) expect(Number(threads)).toBeGreaterThan(20);
      // Node itself may fall, for it cannot start a thread any more.
      else expect(job.error?.reason).toMatch(/^(JOB_EXITED|HANDLER_FAILED)$/);
      expect(await jobContainers()).toEqual([]);
    });

    test("a job that takes all the time it gets has its share of a core, also when the engine was away at first", async () => {
      Object.assign(way.broken, { kind: "/update", left: 2 });
      await rig.run("spins", rig.misbehaves("spin"));
      await rig.when("spins", ({ state }) => state === JobState.RUNNING);
      const { container } = await tracesOf("spins");
      const known = engine.docker.getContainer(container.Id);
      await until("it is held", async () => (await known.inspect()).HostConfig.NanoCpus === 0.5e9);
      expect(way.broken.left).toBe(0);
      const stats = async () => {
        const { read, cpu_stats } = await known.stats({ stream: false, "one-shot": true });
        return { atMs: Date.parse(read), cpuMs: cpu_stats.cpu_usage.total_usage / 1e6 };
      };
      const first = await stats();
      let last = first;
      await until("some seconds have gone by", async () => {
        last = await stats();
        return last.atMs - first.atMs > 4_000;
      });
      const { job } = await unary(rig.client, "stopJob", { jobId: "spins", graceMs: 1, reason: "" });
      // A period of the scheduler, a tenth of a second, may be counted in full at both ends.
      expect((last.cpuMs - first.cpuMs) / (last.atMs - first.atMs)).toBeLessThan(0.56);
      const { cpuSeconds = 0 } = job?.used ?? {};
      expect(cpuSeconds).toBeGreaterThan(0);
      expect((cpuSeconds * 1_000 - first.cpuMs) / ((job?.endedAtMs ?? 0) - first.atMs)).toBeLessThan(0.56);
    });

    test("output is bounded, and kept beyond the end", async () => {
      expect(await rig.done("chatter", rig.misbehaves("chatter"))).toMatchObject({
        state: JobState.SUCCEEDED,
      });
      const lines = await linesOf("chatter");
      expect(lines.at(-1)?.line).toMatch(/^line 19999 /);
      const bytes = lines.reduce((sum, { line }) => sum + line.length, 0);
      expect(bytes).toBeLessThan(200_000);
      const last = (await linesOf("limit-exit")).map(({ stream, line }) => `${stream} ${line}`);
      expect(last).toContain("stdout words before the end");
      expect(last).toContain("stderr the very last words");
    });
  });

  test("the next agent goes on with what runs", async () => {
    await rig.run("kept", rig.misbehaves("sleep"));
    await rig.run("late", rig.misbehaves("later"));
    await rig.when("kept", ({ state }) => state === JobState.RUNNING);
    await rig.when("late", ({ state }) => state === JobState.RUNNING);
    const [before] = (await jobContainers()).filter((name) => name.endsWith("kept"));
    const limit = async () => (await engine.docker.getContainer(before ?? "").inspect()).HostConfig.NanoCpus;
    await until("it is held to its share of a core", async () => (await limit()) === 0.5e9);
    await rig.restart();
    expect((await jobContainers()).filter((name) => name.endsWith("kept"))).toEqual([before]);
    const late = await rig.ended("late");
    expect(late.error).toBeUndefined();
    expect(MisbehaveResponse.decode(late.result ?? Buffer.alloc(0)).found).toEqual({ answer: "late" });
    expect((await unaryStatus()).cpuUsed).toBeCloseTo(0.5);
    await unary(rig.client, "stopJob", { jobId: "kept", graceMs: 1, reason: "enough" });
    expect(await rig.ended("kept")).toMatchObject({ state: JobState.STOPPED });
    expect(await jobContainers()).toEqual([]);
    expect(sockets()).toEqual([]);
    // What it told before is still known.
    expect((await rig.ended("limit-exit")).error?.exitCode).toBe(7);
  });

  test("a host that cannot note a job down refuses it, and keeps nothing of it", async () => {
    const records = join(rig.rig.dataDir, "agent", "jobs");
    const disk = smallDisk("jobs", 1, records);
    if (!disk.mounted) {
      // Who is not root has a file where the folder should be.
      renameSync(records, `${records}.away`);
      writeFileSync(records, "");
    }
    try {
      if (disk.mounted) {
        await rig.run("begun-before", rig.misbehaves("later", ["gate"]));
        await rig.when("begun-before", ({ state }) => state === JobState.RUNNING);
        const { container } = await tracesOf("begun-before");
        await disk.fill();
        openGate(container.Mounts[0]?.Source);
      }
      expect(await failure(rig.run("unsaved", rig.misbehaves("sleep")))).toMatchObject({
        status: "RESOURCE_EXHAUSTED",
        reason: "JOB_UNSAVED",
        message: expect.stringMatching(
          /^Host "test-host" cannot note a job down \(.+\)\. Make room in its data folder, or have the job elsewhere\.$/,
        ),
      });
      expect(existsSync(join(records, "unsaved"))).toBe(false);
      // What runs goes on, and is told.
      if (disk.mounted) expect(await rig.ended("begun-before")).toMatchObject({ state: JobState.SUCCEEDED });
    } finally {
      disk.free();
      if (!disk.mounted) {
        rmSync(records);
        renameSync(`${records}.away`, records);
      }
    }
    expect((await unaryStatus()).cpuUsed).toBe(0);
  });

  test("one that was taken in, and never started, is started by the next agent", async () => {
    await rig.agent.close();
    const spec = checkJob(rig.misbehaves("connect"));
    new JobRecords(join(rig.rig.dataDir, "agent")).create(newJob("begun", spec), spec);
    await rig.restart();
    expect(await rig.ended("begun")).toMatchObject({ state: JobState.SUCCEEDED });
  });

  test("one that is cut off in the midst of a stream by its agent's end, and fails, is told as the host's fault", async () => {
    await rig.run("cut", rig.misbehaves("plain"));
    await until("it is in the midst", async () =>
      existsSync(join(rig.rig.dataDir, "agent", "jobs", "cut", "streams")),
    );
    await rig.restart();
    const { error } = await rig.ended("cut");
    expect(error).toMatchObject({ reason: "JOB_LOST", hostFault: true, exitCode: 18 });
    expect(error?.message).toContain("was cut off from its artifacts when the agent of its host ended");
  });

  test("one whose container somebody removed is told as the host's fault", async () => {
    await rig.run("robbed", rig.misbehaves("sleep"));
    await rig.when("robbed", ({ state }) => state === JobState.RUNNING);
    const [name = ""] = await jobContainers();
    await engine.docker.getContainer(name).remove({ force: true });
    const { state, error } = await rig.ended("robbed");
    expect(state).toBe(JobState.FAILED);
    // The engine may still tell how it ended.
    expect(error?.reason).toMatch(/^JOB_(LOST|EXITED)$/);
    if (error?.reason === "JOB_LOST") expect(error.hostFault).toBe(true);
  });

  /** A job that runs, and where something of it is. */
  async function tracesOf(id: string) {
    const name = (await jobContainers()).find((one) => one.endsWith(`-${id}`)) ?? id;
    const container = await engine.docker.getContainer(name).inspect();
    expect(containerMembers(container.Id).length).toBeGreaterThan(0);
    return { container, places: placesOf(container) };
  }

  /** Nothing is left at any of them: container, processes, layers, cgroups, mounts, folder with the socket. */
  function expectGone({ container, places }: Awaited<ReturnType<typeof tracesOf>>): void {
    const { Id, NetworkSettings } = container;
    expect(places.some((path) => path.includes("cgroup"))).toBe(true);
    expect(containerMembers(Id)).toEqual([]);
    expect(sockets()).toEqual([]);
    expect(places.filter((path) => existsSync(path))).toEqual([]);
    // The engine takes the name of a network's namespace away later; it stands for nothing then.
    const mounts = readFileSync("/proc/self/mountinfo", "utf8");
    for (const gone of [Id, NetworkSettings.SandboxKey]) expect(mounts).not.toContain(gone);
  }

  /** Lets a job go on that waits at its gate. @param folder of its socket. */
  function openGate(folder = ""): void {
    writeFileSync(join(folder, "go"), "");
  }

  /** Where engine and kernel keep something of a container that runs. */
  function placesOf({ Id, State, GraphDriver, LogPath, Mounts }: ContainerInspectInfo) {
    const layers = Object.entries(GraphDriver?.Data ?? {}).filter(([name]) => name !== "LowerDir");
    // "4:memory:/docker/…" and "0::/system.slice/docker-…"
    const cgroups = readFileSync(`/proc/${State.Pid}/cgroup`, "utf8")
      .split("\n")
      .filter((line) => line.includes(Id))
      .map((line) => {
        const [, controllers = "", path = ""] = line.split(":");
        return join("/sys/fs/cgroup", controllers.replace(/^name=/, ""), path);
      });
    const own = [dirname(LogPath), ...Mounts.map(({ Source }) => Source)];
    return [...layers.map(([, path]) => path), ...cgroups, ...own].filter((path) => existsSync(path));
  }

  async function asAgent<T>(ask: (client: AgentClient) => Promise<T>): Promise<T> {
    const client = new AgentClient(rig.agent.address, credentials.createInsecure());
    try {
      return await ask(client);
    } finally {
      client.close();
    }
  }

  const unaryStatus = () => asAgent((client) => unary(client, "getStatus", {}));
});

test.skipIf(missing !== "")("a job outlives kill -9 of its agent", async () => {
  const rig = await startRig();
  try {
    const begin = async () => {
      const agent = await rig.spawn("docker");
      const channelOverride = agent.client.getChannel();
      return { ...agent, jobs: new JobsClient("", credentials.createInsecure(), { channelOverride }) };
    };
    const first = await begin();
    const program = rig.spec("hang");
    await unary(first.jobs, "runJob", {
      jobId: "tough",
      spec: JobSpec.fromPartial({ program, method: "Hang" }),
    });
    const job = async ({ jobs }: { jobs: JobsClient }) =>
      (await unary(jobs, "getJob", { jobId: "tough" })).job;
    await until("it runs", async () => (await job(first))?.state === JobState.RUNNING);
    const gone = once(first.child, "exit");
    first.child.kill("SIGKILL");
    await gone;
    const second = await begin();
    await until("it is taken over", async () => (await job(second))?.state === JobState.RUNNING);
    const stopped = await unary(second.jobs, "stopJob", { jobId: "tough", graceMs: 1, reason: "enough" });
    expect(stopped.job).toMatchObject({ state: JobState.STOPPED, error: { reason: "JOB_STOPPED" } });
    expect(await containersOf(engine, makeFolders(rig.dataDir).owner)).not.toContainEqual(
      expect.stringContaining("-job-"),
    );
  } finally {
    await rig.close();
    await removeBundleImage(engine, rig.bundle.digest);
  }
});

test("a host without an engine refuses jobs, and says what to do", async () => {
  const rig = await startRig();
  try {
    const { agent, close } = await rig.start({ runtime: "process" });
    close();
    const client = new JobsClient(agent?.address ?? "", credentials.createInsecure());
    const spec = JobSpec.fromPartial({ program: rig.spec("serve"), method: "Work" });
    const error = await failure(unary(client, "runJob", { jobId: "one", spec }));
    client.close();
    expect(error).toMatchObject({ status: "FAILED_PRECONDITION", reason: "JOBS_UNSUPPORTED" });
    expect(error.message).toBe(
      'Host "test-host" runs no jobs: their sandbox needs a Docker engine, and its runtime is process (asked for). Start an engine there and the agent anew, or add a host that has one.',
    );
    expect(existsSync(join(rig.dataDir, "agent", "jobs", "one"))).toBe(false);
    expect(await failure(whereOrdersAre(rig.kv))).toMatchObject({
      status: "UNAVAILABLE",
      reason: "ORDERS_MISSING",
      message: 'Nobody serves orders, which keep the artifacts of jobs. "rouse up" does, or "rouse orders".',
    });
  } finally {
    await rig.close();
  }
});
