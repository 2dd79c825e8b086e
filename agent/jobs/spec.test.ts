import { expect, test } from "vitest";
import { InstanceSpec } from "#proto/rouse/agent/v1/agent.ts";
import { JobSpec } from "#proto/rouse/agent/v1/jobs.ts";
import { RouseError } from "../../sdk/errors.ts";
import { jobContainer } from "./container.ts";
import { engineLacks } from "./docker.ts";
import { checkJob, checkName, reservedFor } from "./spec.ts";

const program = InstanceSpec.fromPartial({
  service: "a.v1.A",
  version: "1.0.0",
  image: "a",
  cpu: 1,
  memoryBytes: 64 * 2 ** 20,
  mounts: [{ source: "/etc", target: "/etc" }],
  env: { ROUSE_JOB: "unix:/elsewhere", OWN: "1" },
});
const given = JobSpec.fromPartial({ program, method: "Do" });
const settings = { owner: "0123456789abcdef", user: "1000:1000", maxLogBytes: 2 ** 20 };

function complaint(changes: Partial<JobSpec>): string {
  try {
    checkJob({ ...given, ...changes });
  } catch (error) {
    if (error instanceof RouseError) return `${error.status} ${error.reason}: ${error.message}`;
    throw error;
  }
  return "none";
}

test("what is left out has its default, and the host's files are left out", () => {
  const checked = checkJob(given);
  expect(checked).toMatchObject({ diskBytes: 64 * 2 ** 20, processes: 128, timeMs: 3_600_000 });
  expect(checked.program.mounts).toEqual([]);
  expect(reservedFor(checked).memoryBytes).toBe(128 * 2 ** 20);
});

test.each<[Partial<JobSpec>, string]>([
  [{ method: "" }, "method must be set"],
  [{ processes: 1 }, "processes is 1; it may be 16 to 32768"],
  [{ diskBytes: 5 }, "disk_bytes is 5; it may be 1048576 to 1099511627776"],
  [{ outputBytes: 5 }, "output_bytes is 5; it may be 1048576 to 1125899906842624"],
  [{ timeMs: 31 * 86_400_000 }, "time_ms is 2678400000; it may be 1 to 2592000000"],
  [{ request: Buffer.alloc(17 * 2 ** 20) }, "the request has more than 16 MiB"],
  [
    { inputs: { "../a": "artifact:b" } },
    '"../a" is no name of an input: at most 100 letters, digits, ".", "_" and "-", and a letter or digit first',
  ],
])("what is wrong is named: %#", (changes, words) => {
  expect(complaint(changes)).toBe(
    `INVALID_ARGUMENT JOB_INVALID: The job's description is invalid: ${words}.`,
  );
});

test("names of outputs are names of files, and no paths", () => {
  for (const name of ["a.bam", "x_-1", "A"]) expect(() => checkName("output", name)).not.toThrow();
  for (const name of ["", ".hidden", "__proto__", "a/b", "a b", "x".repeat(101)])
    expect(() => checkName("output", name)).toThrow("is no name of an output");
});

test("a container has nothing that a job does not need", () => {
  const image = { id: "sha256:a", user: "root" };
  const { Env, User, HostConfig, Hostname, name } = jobContainer(
    "one",
    checkJob(given),
    image,
    "/s",
    settings,
  );
  expect(name).toBe("rouse-job-01234567-one");
  expect(Hostname).toBe("job");
  expect(User).toBe("1000:1000");
  expect(Env).toContain("ROUSE_JOB=unix:/run/rouse/job.sock");
  expect(Env).toContain("OWN=1");
  expect(HostConfig).toMatchObject({
    NetworkMode: "none",
    ReadonlyRootfs: true,
    CapDrop: ["ALL"],
    SecurityOpt: ["no-new-privileges:true"],
    Memory: 128 * 2 ** 20,
    MemorySwap: 128 * 2 ** 20,
    PidsLimit: 128,
    Tmpfs: { "/tmp": "rw,exec,nosuid,nodev,mode=1777,size=67108864" },
    Mounts: [{ Type: "bind", Source: "/s", Target: "/run/rouse", ReadOnly: true }],
  });
});

test("nobody but a user who surely is not root is taken from the image", () => {
  const user = (named: string) =>
    jobContainer("one", checkJob(given), { id: "a", user: named }, "/s", settings).User;
  for (const named of ["", "root", "0", "0:0", "toor", "00"]) expect(user(named)).toBe("1000:1000");
  for (const named of ["65532", "65532:65532"]) expect(user(named)).toBe(named);
});

test("an engine without limits or seccomp holds no job", () => {
  const all = { MemoryLimit: true, PidsLimit: true, CpuCfsQuota: true };
  expect(engineLacks({ ...all, SecurityOptions: ["name=seccomp,profile=default"] })).toEqual([]);
  expect(engineLacks({ ...all, SecurityOptions: ["name=apparmor"] })).toEqual(["seccomp"]);
  expect(engineLacks({ ...all, SecurityOptions: ["name=seccomp,profile=unconfined"] })).toEqual(["seccomp"]);
  expect(engineLacks({})).toEqual(["seccomp", "limits of memory", "limits of processes", "limits of cores"]);
});
