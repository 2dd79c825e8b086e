import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { extract } from "tar-stream";
import { afterAll, beforeAll, expect, test } from "vitest";
import { failure } from "../testing/rig.ts";
import { bundle } from "./bundle.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rouse-test-bundle-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Writes a package and answers with its folder. */
async function packageOf(name: string, rouse: unknown, files: Record<string, string>): Promise<string> {
  const root = join(folder, name);
  const all = { ...files, "package.json": JSON.stringify({ type: "module", rouse }) };
  for (const [file, text] of Object.entries(all)) {
    await mkdir(join(root, file, ".."), { recursive: true });
    await writeFile(join(root, file), text);
  }
  return root;
}

test("a bundle holds the module and the assets, without time or owner", async () => {
  const rouse = { service: "a.v1.A", assets: ["data", "one.txt"] };
  const root = await packageOf("good", rouse, {
    "src/main.ts": "const n: number = 1; console.log(n);",
    "data/deep/x.txt": "x",
    "data/a.txt": "a",
    "one.txt": "1",
    "not-named.txt": "2",
  });
  const made = await bundle(root);
  expect(made).toMatchObject({ service: "a.v1.A", digest: expect.stringMatching(/^[0-9a-f]{64}$/) });
  const entries = extract();
  const reading = pipeline(createReadStream(made.file), entries);
  const names: string[] = [];
  for await (const entry of entries) {
    expect(entry.header).toMatchObject({ uid: 0, gid: 0, mtime: new Date(0) });
    names.push(entry.header.name);
    entry.resume();
  }
  await reading;
  expect(names).toEqual(["data/a.txt", "data/deep/x.txt", "main.mjs", "one.txt"]);
});

test.each([
  ["no service", {}, {}, "PACKAGE_INVALID", "describes no service (rouse.service:"],
  ["no main", { service: "a.v1.A" }, {}, "PACKAGE_INVALID", "src/main.ts does not exist"],
  [
    "broken source",
    { service: "a.v1.A" },
    { "src/main.ts": 'import "./gone.ts";' },
    "BUNDLE_FAILED",
    'src/main.ts:1:7: Could not resolve "./gone.ts"',
  ],
  [
    "missing asset",
    { service: "a.v1.A", assets: ["data"] },
    { "src/main.ts": "" },
    "ASSET_MISSING",
    'The asset "data"',
  ],
  [
    "asset outside",
    { service: "a.v1.A", assets: ["../.."] },
    { "src/main.ts": "" },
    "ASSET_MISSING",
    "Assets are files and folders within the package",
  ],
])("says what is wrong: %s", async (name, rouse, files, reason, words) => {
  const root = await packageOf(name.replace(" ", "-"), rouse, files as Record<string, string>);
  const error = await failure(bundle(root));
  expect(error).toMatchObject({ status: "INVALID_ARGUMENT", reason });
  expect(error.message).toContain(words);
});

test("says that a folder is no package", async () => {
  const error = await failure(bundle(join(folder, "nothing")));
  expect(error).toMatchObject({ status: "INVALID_ARGUMENT", reason: "PACKAGE_INVALID" });
  expect(error.message).toContain('Run "rouse build" in a service\'s folder');
});
