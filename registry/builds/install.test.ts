import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Build_State } from "#proto/rouse/registry/v1/builds.ts";
import { scaffold } from "../../codegen/scaffold/scaffold.ts";
import { addProbe, makeRepository, packageJson, type TestRepository } from "./testing/repository.ts";
import { type BuildsRig, startBuildsRig } from "./testing/rig.ts";

let rig: BuildsRig;
let repository: TestRepository;
beforeAll(async () => {
  rig = await startBuildsRig();
  repository = await makeRepository();
});
afterAll(async () => {
  await rig.close();
  await repository.remove();
});

test('a package of "rouse new" is built, and passes its own tests, without a download', async () => {
  const dir = join(repository.dir, "gene-finder");
  await scaffold({ name: "gene-finder", owner: "tests", dir });
  await rm(join(dir, "gen"), { recursive: true });
  await repository.commit();
  const { build, log } = await rig.run({ repository: repository.dir, folder: "gene-finder" });
  expect(build).toMatchObject({ reason: "", service: "gene_finder.v1.GeneFinderService", version: "0.1.0" });
  expect(log).toMatch(/install: links .*vitest.*: Rouse has them in fitting versions/);
  expect(log).toMatch(/test: .*3 passed/);
});

test("npm brings other dependencies, without their scripts; rouse is this installation's all the same", async () => {
  const scripts = { test: "node --eval 'console.log(require(`common`) + 1)' && test ! -e ../common/ran" };
  const dependencies = { common: "file:../common", rouse: "file:../../rouse" };
  const link = (resolved: string) => ({ resolved, link: true });
  const lock = {
    name: "probe",
    version: "1.0.0",
    lockfileVersion: 3,
    requires: true,
    packages: {
      "": { name: "probe", version: "1.0.0", dependencies },
      "../../rouse": { version: "0.0.1", dependencies: { gone: "1.0.0" } },
      "../../rouse/node_modules/gone": { version: "1.0.0" },
      "../common": { version: "1.0.0" },
      "node_modules/common": link("../common"),
      "node_modules/rouse": link("../../rouse"),
    },
  };
  await addProbe(repository, { folder: "locked" });
  await addProbe(repository, { folder: "free", version: "1.1.0" });
  const common = { name: "common", version: "1.0.0", scripts: { preinstall: "touch ran" } };
  await repository.commit({
    "common/package.json": JSON.stringify(common),
    "common/index.js": "module.exports = 41;\n",
    "locked/package.json": packageJson({ scripts, dependencies }),
    "locked/package-lock.json": JSON.stringify(lock),
    "free/package.json": packageJson({ scripts, dependencies }),
    // npm would run this as git.
    "free/.npmrc": "git=./git.sh\nignore-scripts=false\n",
  });
  for (const folder of ["locked", "free"]) {
    const { build, log } = await rig.run({ repository: repository.dir, folder });
    expect(build.reason).toBe("");
    expect(build.state).toBe(Build_State.SUCCEEDED);
    expect(log).toContain(
      "install: npm installs the dependencies, for common@file:../common is no part of Rouse",
    );
    expect(log).toContain("test: 42");
  }
});

test("what npm cannot install is the reason", async () => {
  await addProbe(repository, { folder: "none" });
  const dependencies = { nothing: "file:nothing.tgz" };
  await repository.commit({
    "none/package.json": packageJson({ dependencies }),
    "none/package-lock.json": JSON.stringify({ lockfileVersion: 1, dependencies: {} }),
  });
  const { build } = await rig.run({ repository: repository.dir, folder: "none" });
  expect(build).toMatchObject({
    state: Build_State.FAILED,
    step: "install",
    reason: 'The package-lock.json cannot be read, or is older than npm 7. Write it anew by "npm install".',
  });
  await rm(join(repository.dir, "none/package-lock.json"));
  await repository.commit();
  const without = await rig.run({ repository: repository.dir, folder: "none" });
  expect(without.build.reason).toMatch(/^npm could not install the dependencies: \S/);
});
