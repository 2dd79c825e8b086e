import { join } from "node:path";
import { credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Build, Build_State } from "#proto/rouse/registry/v1/builds.ts";
import { ProvidersClient } from "#proto/rouse/registry/v1/providers.ts";
import { processesWith } from "../../agent/runtimes/proc.ts";
import { unary } from "../../sdk/grpc.ts";
import { failure } from "../testing/rig.ts";
import { BUILD_VARIABLE } from "./environment.ts";
import { checkGit } from "./git.ts";
import { addProbe, makeRepository, type TestRepository } from "./testing/repository.ts";
import { type BuildsRig, startBuildsRig, withKey } from "./testing/rig.ts";

const MiB = 2 ** 20;
/** A test that never ends, with a child that has left its process group and must end with it. */
const ENDLESS = "(setsid sleep 1000 &) ; echo it-runs ; sleep 1000";

let rig: BuildsRig;
const repositories: TestRepository[] = [];
beforeAll(async () => {
  const limits = { diskBytes: 48 * MiB, outputBytes: 4 * MiB, logBytes: 64 * 1024, memoryBytes: 768 * MiB };
  rig = await startBuildsRig({ limits });
});
afterAll(async () => {
  await rig.close();
  for (const repository of repositories) await repository.remove();
});

/** Path of a repository with the probe, whose test is this. */
async function withTest(script: string): Promise<string> {
  const repository = await makeRepository();
  repositories.push(repository);
  await addProbe(repository, { test: script });
  await repository.commit();
  return repository.dir;
}

/** Nothing of the build runs, and its folder is gone. */
async function expectGone({ id }: Build): Promise<void> {
  expect(processesWith(BUILD_VARIABLE, id, BUILD_VARIABLE)).toEqual([]);
  expect(await rig.leftovers()).toEqual([]);
}

test("too much output ends the build, and the log keeps its beginning and its last lines", async () => {
  const { build, log } = await rig.run({
    repository: await withTest("printf 'line \\033[31mred\\007\\n'; yes again"),
  });
  expect(build.state).toBe(Build_State.FAILED);
  expect(build.reason).toBe("A step wrote more than 4 MiB of output, so the build was ended.");
  expect(log).toContain("test: line red\ntest: again\n");
  expect(log).toMatch(
    /test: … \d+ lines are left out: the log of a build holds 64 KiB, and then the last 100/,
  );
  expect(Buffer.byteLength(log)).toBeLessThan(256 * 1024);
  await expectGone(build);
});

test("files that take too much room end the build", async () => {
  const script = "n=0; while head -c 1000000 /dev/zero > f$n; do n=$((n + 1)); done";
  const { build } = await rig.run({ repository: await withTest(script) });
  expect(build.reason).toBe(
    "The build was ended: its files take more than 48 MiB, clone and dependencies included.",
  );
  await expectGone(build);
});

test("too much memory ends the build", async () => {
  const script = "node --eval 'const all = []; for (;;) all.push(Buffer.alloc(4e6, 1))'";
  const { build, log } = await rig.run({ repository: await withTest(script) });
  expect(build.state).toBe(Build_State.FAILED);
  // Without a cgroup each process has its limit, and says what it says when that is reached.
  if (log.includes("not limited: memory")) expect(build.reason).toContain("The package's tests failed: ");
  else expect(build.reason).toBe("A step took more than 768 MiB of memory, so the build was ended.");
  await expectGone(build);
});

test("what a build sees: no key, no home, not the registry's data, and no network where there are namespaces", async () => {
  const script = `node --eval '
    const fs = require(\`fs\`), { env } = process;
    const tell = (what, is) => console.log(what + \` \` + is);
    const readable = (path) => { try { fs.readFileSync(path); return true; } catch { return false; } };
    tell(\`variables\`, Object.keys(env).filter((name) => /KEY|TOKEN|SECRET|CONSUL|HOST|XDG|SSH|DOCKER/.test(name)));
    tell(\`key\`, readable(\`${join(rig.dataDir, "admin.key")}\`));
    tell(\`home\`, fs.statSync(env.HOME).isDirectory() && env.HOME.endsWith(\`/home\`));
    fetch(\`http://${rig.consul}/v1/status/leader\`).then(() => tell(\`consul\`, true), () => tell(\`consul\`, false));'`;
  process.env.ROUSE_KEY = "rouse_secret";
  const { build, log } = await rig.run({ repository: await withTest(script) });
  delete process.env.ROUSE_KEY;
  expect(build).toMatchObject({ state: Build_State.SUCCEEDED, reason: "" });
  expect(log).toMatch(/test: variables \n/);
  expect(log).toContain("test: home true");
  // A machine that allows no namespaces says so in the log.
  if (/clone: sandbox: /.test(log)) {
    expect(log).toContain("test: key false");
    if (log.includes("only dependencies come over the network")) expect(log).toContain("test: consul false");
  } else {
    expect(log).toMatch(/clone: (half a sandbox|no sandbox): /);
  }
});

test("cancelling ends what runs and what waits; only the provider and the administrator may", async () => {
  const repository = await withTest(ENDLESS);
  const running = await rig.start({ repository });
  const waiting = await rig.start({ repository });
  expect(await rig.read(waiting.id)).toBe("queue: waits until a build has ended");
  expect(waiting).toMatchObject({ state: Build_State.QUEUED, step: "", provider: "administrator" });
  const providers = new ProvidersClient(rig.registry().address, credentials.createInsecure());
  const request = { id: "acme-builds", name: "", contact: "" };
  const { key } = await unary(providers, "createProvider", request, { metadata: withKey(rig.key) });
  providers.close();
  expect(await failure(rig.cancel(waiting.id, key))).toMatchObject({
    status: "PERMISSION_DENIED",
    reason: "NOT_YOUR_BUILD",
    message: expect.stringContaining("was started by administrator, and your key is acme-builds's"),
  });
  await rig.cancel(waiting.id);
  expect(await rig.get(waiting.id)).toMatchObject({
    state: Build_State.CANCELLED,
    reason: "Cancelled by the administrator.",
  });
  await rig.untilSaid(running.id, "test: it-runs");
  const followed = rig.follow(running.id);
  await rig.cancel(running.id);
  expect(await followed).toContain("test: Cancelled by the administrator.");
  expect((await rig.get(running.id)).state).toBe(Build_State.CANCELLED);
  await expectGone(running);
  expect(await failure(rig.cancel(running.id))).toMatchObject({
    status: "FAILED_PRECONDITION",
    reason: "BUILD_ENDED",
    message: `Build ${running.id} has ended already: it was cancelled.`,
  });
});

test("a registry that restarts says so in what it cut off, goes on with what waited, and keeps the logs", async () => {
  const [endless, missing] = [await withTest(ENDLESS), { ref: "nope" }];
  const running = await rig.start({ repository: endless });
  const waiting = await rig.start({ repository: endless, ...missing });
  await rig.untilSaid(running.id, "test: it-runs");
  const following = failure(rig.follow(running.id).then(() => rig.follow(waiting.id)));
  await rig.restart({ limits: { timeMs: 1 } });
  expect(await following).toMatchObject({ status: "UNAVAILABLE" });
  const cut = await rig.get(running.id);
  expect(cut).toMatchObject({
    state: Build_State.FAILED,
    reason: "The registry restarted while the build ran. Start it again.",
  });
  expect(await rig.read(running.id)).toContain("test: it-runs");
  await rig.follow(waiting.id);
  // The time limit of the new registry.
  expect((await rig.get(waiting.id)).reason).toBe(
    'The build was ended in the step "clone": it had not finished after 0.001 s (--build-timeout).',
  );
  await expectGone(running);
  const { builds } = await unary(rig.client(), "listBuilds", { service: "", limit: 2 });
  expect(builds.map(({ id }) => id)).toEqual([waiting.id, running.id]);
});

test("where anybody may become a provider, strangers build from public URLs, and the host's own disk is not theirs", async () => {
  const open = await startBuildsRig({}, { openRegistration: true });
  try {
    const providers = new ProvidersClient(open.registry().address, credentials.createInsecure());
    const { key } = await unary(providers, "createProvider", { id: "stranger", name: "", contact: "" });
    const repository = await withTest("true");
    for (const url of [
      repository,
      `file://${repository}`,
      "git@example.org:a/b.git",
      "ssh://git@example.org/a",
    ]) {
      expect(await failure(open.start({ repository: url }, key))).toMatchObject({
        status: "PERMISSION_DENIED",
        reason: "BUILD_NOT_FOR_STRANGERS",
        message: expect.stringContaining("Give an https, http or git URL."),
      });
    }
    // A key that was revoked while its build waited.
    const blocking = await open.start({ repository: await withTest(ENDLESS) });
    const started = await open
      .start({ repository: "http://127.0.0.1:9/x" }, key)
      .catch((error: unknown) => error);
    if (started instanceof Error) {
      expect(started).toMatchObject({ reason: "BUILD_NOT_FOR_STRANGERS" });
      expect(started.message).toContain("on a host that cannot lock a build in");
    } else {
      const keyId = /^rouse_([0-9a-f]{12})_/.exec(key)?.[1] ?? "";
      await unary(providers, "revokeKey", { provider: "stranger", keyId }, { metadata: withKey(key) });
      await open.cancel(blocking.id);
      const { id } = started as Build;
      await open.follow(id);
      expect((await open.get(id)).reason).toBe(
        "The key by which stranger asked for this build was revoked meanwhile. Start it again with a good one.",
      );
    }
    providers.close();
  } finally {
    await open.close();
  }
});

test("calls that are refused", async () => {
  const start = (request: object) => failure(rig.start({ repository: "/x", ...request }));
  expect(await start({ repository: "ext::sh -c id" })).toMatchObject({ reason: "REPOSITORY_INVALID" });
  expect(await start({ ref: "--upload-pack=id" })).toMatchObject({ reason: "REF_INVALID" });
  expect(await start({ folder: "../x" })).toMatchObject({ reason: "FOLDER_INVALID" });
  expect(await start({ tags: ["1.0.0"] })).toMatchObject({ reason: "TAG_INVALID" });
  expect(await failure(rig.get("nope"))).toMatchObject({
    status: "NOT_FOUND",
    reason: "BUILD_UNKNOWN",
    message: 'There is no build "nope". "rouse builds" lists them; the last 200 are kept.',
  });
  expect(await failure(rig.follow("nope"))).toMatchObject({ reason: "BUILD_UNKNOWN" });
  const request = { repository: "/x", ref: "", folder: "", tags: [] };
  expect(await failure(unary(rig.client(), "startBuild", request))).toMatchObject({ reason: "KEY_MISSING" });
  expect(await failure(unary(rig.client(), "cancelBuild", { id: "x" }))).toMatchObject({
    reason: "KEY_MISSING",
  });
  expect(await failure(checkGit("/nonexistent"))).toMatchObject({
    status: "FAILED_PRECONDITION",
    reason: "GIT_MISSING",
    message:
      'The registry\'s host has no git, so it cannot build from a repository. Install it there ("apt-get install git"), and start the build again.',
  });
});
