import { readdir, symlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { credentials } from "@grpc/grpc-js";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { CatalogClient } from "#proto/rouse/catalog/v1/catalog.ts";
import { Build_State } from "#proto/rouse/registry/v1/builds.ts";
import { RegistryClient } from "#proto/rouse/registry/v1/registry.ts";
import { unary } from "../../sdk/grpc.ts";
import { freePorts } from "../../test/support/consul.ts";
import { giveTo } from "./folder-walk.ts";
import { type GitHttp, serveGit } from "./testing/git-http.ts";
import { addProbe, makeRepository, packageJson, type TestRepository } from "./testing/repository.ts";
import { type BuildsRig, startBuildsRig } from "./testing/rig.ts";

let rig: BuildsRig;
let http: GitHttp;
let repository: TestRepository;
beforeAll(async () => {
  rig = await startBuildsRig();
  repository = await makeRepository();
  http = await serveGit(dirname(repository.dir), "secret");
  await addProbe(repository);
  await addProbe(repository, { folder: "services/two", version: "2.0.0" });
  await repository.commit();
  await repository.git("tag", "v1");
});
afterAll(async () => {
  await http.close();
  await rig.close();
  await repository.remove();
});

let other: TestRepository;
beforeEach(async () => {
  other = await makeRepository();
});
afterEach(async () => {
  await other.remove();
  // No build leaves anything behind.
  expect(await rig.leftovers()).toEqual([]);
});

const served = () => `${http.url}/${basename(repository.dir)}/.git`;

test("a branch is cloned over HTTP, built, tested and registered with where it came from", async () => {
  const commit = await repository.git("rev-parse", "main");
  const { build, log } = await rig.run({ repository: served(), ref: "main", tags: ["beta"] });
  expect(build).toMatchObject({
    state: Build_State.SUCCEEDED,
    reason: "",
    step: "register",
    provider: "administrator",
    commit,
    service: "probe.v1.ProbeService",
    version: "1.0.0",
  });
  expect(build.endedAtMs).toBeGreaterThanOrEqual(build.queuedAtMs);
  for (const line of [
    `clone: fetches refs/heads/main of ${served()}`,
    `clone: checked out commit ${commit}`,
    "generate: Generated 8 files in gen: 8 changed, 0 removed.",
    "build: made probe.v1.ProbeService, bundle sha256 ",
    `test: ${process.version}`,
    "register: registered probe.v1.ProbeService 1.0.0",
    "register: beta → 1.0.0",
  ])
    expect(log).toContain(line);
  const { address } = rig.registry();
  const catalog = new CatalogClient(address, credentials.createInsecure());
  const { versions } = await unary(catalog, "getService", { name: "probe.v1.ProbeService" });
  catalog.close();
  const source = { repository: served(), ref: "main", commit, build: build.id };
  expect(versions).toMatchObject([{ version: "1.0.0", registeredBy: "administrator", source }]);
  const client = new RegistryClient(address, credentials.createInsecure());
  const { services } = await unary(client, "listServices", { service: "probe.v1.ProbeService" });
  client.close();
  expect(services[0]?.tags).toMatchObject([{ name: "beta", versions: [{ version: "1.0.0" }] }]);
});

test("the same commit again is found unchanged; other content under the version is refused", async () => {
  const { build, log } = await rig.run({ repository: repository.dir, ref: "v1" });
  expect(build.state).toBe(Build_State.SUCCEEDED);
  expect(log).toContain("register: already registered, unchanged: probe.v1.ProbeService 1.0.0");
  await addProbe(other);
  await other.write({ "src/main.ts": 'console.log("something else");\n' });
  await other.commit();
  const bundles = await readdir(join(rig.dataDir, "bundles"));
  const changed = await rig.run({ repository: other.dir, ref: "main" });
  expect(changed.build.state).toBe(Build_State.FAILED);
  expect(changed.build.reason).toContain("probe.v1.ProbeService 1.0.0 is registered with other content.");
  expect(await readdir(join(rig.dataDir, "bundles"))).toEqual(bundles);
});

test("a folder of the default branch, by a file URL", async () => {
  const repositoryUrl = pathToFileURL(repository.dir).href;
  const { build } = await rig.run({ repository: repositoryUrl, folder: "services/two/" });
  expect(build).toMatchObject({ state: Build_State.SUCCEEDED, reason: "", ref: "", folder: "services/two" });
  expect(build.version).toBe("2.0.0");
});

test("branches, tags and commits, whole or by their first digits, over HTTP and from a path", async () => {
  const first = await other.commit({ "a.txt": "a" });
  await other.git("tag", "--annotate", "--message=One", "v1");
  await other.git("branch", "old/1.x");
  const second = await other.commit({ "a.txt": "b" });
  const url = `${http.url}/${basename(other.dir)}/.git`;
  const cases = [
    ["main", second],
    ["v1", first],
    ["refs/tags/v1", first],
    ["old/1.x", first],
    [first, first],
    [first.slice(0, 9), first],
    ["", second],
  ] as const;
  for (const source of [url, other.dir]) {
    for (const [ref, commit] of cases) {
      const { build } = await rig.run({ repository: source, ref });
      expect([ref, build.commit]).toEqual([ref, commit]);
    }
  }
});

async function disposable() {
  const made = await makeRepository();
  return { ...made, [Symbol.asyncDispose]: made.remove };
}

test("repositories that cannot be cloned", async () => {
  const [port] = await freePorts(1);
  await using foreign = await disposable();
  const cases = [
    [`${http.url}/private${new URL(served()).pathname}`, "asks for a password or a key, or does not exist."],
    [`${http.url}/nothing.git`, `There is no git repository at ${http.url}/nothing.git. Check the URL.`],
    [join(other.dir, "nothing"), `There is no git repository at ${join(other.dir, "nothing")}.`],
    [`http://127.0.0.1:${port}/x.git`, "cannot be reached from the registry. Check the URL and the network."],
    [other.dir, `${other.dir} has no default branch; it may be empty.`],
  ] as const;
  // Only root can give a repository away.
  if (process.getuid?.() === 0) {
    await foreign.commit({ a: "a" });
    await giveTo(1000, foreign.dir);
  }
  const more =
    process.getuid?.() === 0 ? [[foreign.dir, "belongs to another user of the registry's host"]] : [];
  for (const [url = "", words = ""] of [...cases, ...more]) {
    const { build, log } = await rig.run({ repository: url });
    expect(build).toMatchObject({ state: Build_State.FAILED, step: "clone", commit: "" });
    expect(build.reason).toContain(words);
    expect(log).toContain(words);
  }
});

test("refs and folders that are not there", async () => {
  await other.commit({
    "a/package.json": packageJson({ rouse: undefined }),
    "b/package.json": "{",
    "c/x": "",
  });
  const hex = "0123456789abcdef0123456789abcdef01234567";
  const cases = [
    [{ ref: "nope" }, `${other.dir} has no branch, tag or commit "nope". It has: main.`],
    [{ ref: "abcdef1" }, 'has no branch, tag or commit "abcdef1".'],
    [{ ref: hex }, `has no branch, tag or commit "${hex}".`],
    [{ folder: "zz" }, "The repository has no folder zz at this commit."],
    [{ folder: "c" }, "The folder c is no service package: it has no package.json."],
    [{}, "The root of the repository is no service package: it has no package.json."],
    [{ folder: "a" }, 'The folder a is no service package: its package.json has no field "rouse"'],
    [{ folder: "b" }, "The folder b has a package.json that is not JSON: "],
  ] as const;
  for (const [request, words] of cases) {
    const { build } = await rig.run({ repository: other.dir, ...request });
    expect(build.state).toBe(Build_State.FAILED);
    expect(build.reason).toContain(words);
  }
});

test("a faulty contract, faulty source, a faulty assets list and failing tests are the reason", async () => {
  await addProbe(other, { test: "node --eval 'console.log(6 * 7); process.exit(3)'" });
  await addProbe(other, { folder: "source" });
  await addProbe(other, { folder: "contract" });
  await other.commit({
    "source/src/main.ts": 'import "./gone.ts";\n',
    "contract/proto/probe/v1/probe.proto": 'syntax = "proto3";\nmessage {\n',
    "package.json": packageJson({
      scripts: { test: "node --eval 'console.log(6 * 7); process.exit(3)'" },
    }),
  });
  const tests = await rig.run({ repository: other.dir });
  expect(tests.build.reason).toBe('The package\'s tests failed: "npm test" ended with exit code 3.');
  expect(tests.build.step).toBe("test");
  expect(tests.log).toContain("test: 42");
  const source = await rig.run({ repository: other.dir, folder: "source" });
  expect(source.build.reason).toContain('src/main.ts:1:7: Could not resolve "./gone.ts"');
  expect(source.build.step).toBe("build");
  const contract = await rig.run({ repository: other.dir, folder: "contract" });
  expect(contract.build.reason).toMatch(/^The contract has .*probe\.proto:2:/);
  expect(contract.build.step).toBe("generate");
});

test("a link that leads out of the repository is refused", async () => {
  await addProbe(other);
  await symlink("/etc", join(other.dir, "data"));
  await other.commit();
  const { build } = await rig.run({ repository: other.dir });
  expect(build.reason).toBe(
    "data is a link that leads out of the repository. Replace it by what it leads to.",
  );
});
