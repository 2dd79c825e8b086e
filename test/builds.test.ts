import { readdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { processesWith } from "../agent/runtimes/proc.ts";
import { BUILD_VARIABLE } from "../registry/builds/environment.ts";
import { innerFolder, outerFolder } from "../registry/builds/scratch-folder.ts";
import { addProbe, makeRepository, type TestRepository } from "../registry/builds/testing/repository.ts";
import { until } from "./support/live.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { rouse, rouseOk } from "./support/rouse.ts";

let mesh: TestMesh;
let repository: TestRepository;
beforeAll(async () => {
  mesh = await startMesh({ runtime: "process", args: ["--build-timeout", "10m"] });
  repository = await makeRepository();
  await addProbe(repository);
  await addProbe(repository, { folder: "endless", version: "2.0.0", test: "echo it-runs; sleep 1000" });
  await repository.commit();
});
afterAll(async () => {
  await mesh?.close();
  await repository?.remove();
});

const ok = (...args: string[]) => rouseOk([...args, "--data", mesh.data]);
const run = (...args: string[]) => rouse([...args, "--data", mesh.data]);

test("a pushed repository becomes a service that answers calls", async () => {
  // As a person gives it: the path of a folder on this host.
  const printed = await ok(
    "register",
    "--repo",
    `./${relative(".", repository.dir)}`,
    "--ref",
    "main",
    "--tag",
    "release",
  );
  const commit = await repository.git("rev-parse", "main");
  const id = /^build (\w+) \(it goes on when you leave; "rouse builds cancel \1" ends it\)/.exec(
    printed,
  )?.[1];
  expect(printed).toContain(`clone    checked out commit ${commit}`);
  expect(printed).toContain(
    "registered probe.v1.ProbeService 1.0.0 (cold; the first call starts it)\nrelease → 1.0.0\n",
  );
  const answer = JSON.parse(await ok("call", "probe.v1.ProbeService/Echo", '{"text": "built"}')) as object;
  expect(answer).toMatchObject({ text: "built", version: "1.0.0" });
  const [head, row] = (await ok("builds", "--registry", mesh.edge)).split("\n");
  expect(head).toMatch(/^BUILD +QUEUED +STATE +COMMIT +SERVICE +REASON$/);
  expect(row).toMatch(
    new RegExp(`^${id} .* succeeded +${commit.slice(0, 12)} +probe.v1.ProbeService 1.0.0$`),
  );
  expect(await ok("builds", "log", id ?? "")).toContain("registered probe.v1.ProbeService 1.0.0\n");
});

test("a failed build is told with its reason, and the exit code says so", async () => {
  const { code, stderr } = await run("register", "--repo", repository.dir, "--ref", "nope");
  expect(code).toBe(1);
  expect(stderr).toBe(
    `${repository.dir} has no branch, tag or commit "nope". It has: main. (FAILED_PRECONDITION, BUILD_FAILED)\n`,
  );
  const refused = await run("register", "--repo", "https://u:p@example.org/x");
  expect(refused.stderr).toContain("holds a name or password, which everybody could read");
  const mixed = await run("register", "--repo", repository.dir, "--env", "A=b");
  expect(mixed.stderr).toBe(
    "--env does not go with --repo: the registry builds what the repository holds. Leave one of them out. (INVALID_ARGUMENT, FLAG_INVALID)\n",
  );
  const alone = await run("register", "--ref", "main");
  expect(alone.stderr).toContain("--ref and --folder belong to a git repository.");
});

test("a registry that is killed leaves nothing of a build behind, and tells it later", async () => {
  const following = run("register", "--repo", repository.dir, "--folder", "endless");
  let id = "";
  await until("the endless test runs", async () => {
    id = /^(\w+) .* running \(test\)/m.exec(await ok("builds"))?.[1] ?? "";
    return id !== "" && (await ok("builds", "log", id)).includes("it-runs");
  });
  const runs = () => processesWith(BUILD_VARIABLE, id, BUILD_VARIABLE).length > 0;
  expect(runs()).toBe(true);
  await mesh.restart("registry", "SIGKILL");
  expect((await following).code).toBe(1);
  await until("its programs have ended", async () => !runs());
  const { code, stderr } = await run("builds", "log", id, "--follow");
  expect(code).toBe(1);
  expect(stderr).toContain("The registry restarted while the build ran. Start it again.");
  const dataDir = join(mesh.data, "registry");
  for (const folder of [innerFolder(dataDir), outerFolder(dataDir)])
    expect(await readdir(folder).catch(() => [])).toEqual([]);
});

test("a build is cancelled by a command", async () => {
  const following = run("register", "--repo", repository.dir, "--folder", "endless");
  let id = "";
  await until("the build runs", async () => {
    id = /^(\w+) .* running /m.exec(await ok("builds"))?.[1] ?? "";
    return id !== "";
  });
  expect(await ok("builds", "cancel", id)).toBe(`build ${id} is cancelled\n`);
  const { code, stderr } = await following;
  expect(code).toBe(1);
  expect(stderr).toBe("Cancelled by the administrator. (CANCELLED, BUILD_CANCELLED)\n");
  expect((await run("builds", "cancel", "nope")).stderr).toContain('There is no build "nope".');
});
