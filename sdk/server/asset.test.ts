import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { asset } from "./asset.ts";

let folder = "";
const [, program] = process.argv;
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "rouse-sdk-")));
  await mkdir(join(folder, "data"));
  await mkdir(join(folder, "src"));
  await writeFile(join(folder, "data/x.fa"), ">x\nACGT\n");
});
afterEach(async () => {
  vi.unstubAllEnvs();
  process.argv[1] = program ?? "";
  await rm(folder, { recursive: true });
});

test("in a bundle the agent names the folder", () => {
  vi.stubEnv("ROUSE_APP", folder);
  expect(asset("data/x.fa")).toBe(join(folder, "data/x.fa"));
});

test("in the source tree it is the folder of the service's package.json", async () => {
  process.argv[1] = join(folder, "src/main.ts");
  await writeFile(join(folder, "package.json"), '{"rouse": {"service": "a.B"}}');
  await writeFile(join(folder, "src/package.json"), "{}");
  expect(asset("data/x.fa")).toBe(join(folder, "data/x.fa"));
});

test("an asset that is not there, or not within the package", () => {
  vi.stubEnv("ROUSE_APP", folder);
  expect(() => asset("data/y.fa")).toThrow(
    `The asset "data/y.fa" is not in ${folder}. Put it there, and list it in package.json under "rouse": {"assets": […]}.`,
  );
  for (const path of ["../x", "/etc/passwd", "data/../../x"]) {
    expect(() => asset(path)).toThrow(`The asset path "${path}" leaves the package.`);
  }
});
