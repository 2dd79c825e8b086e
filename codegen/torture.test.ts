import { readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { repository, TestPackage } from "./testing/package.ts";
import { runNode } from "./testing/run.ts";

const torture = fileURLToPath(new URL("testdata/torture", import.meta.url));
const tsc = join(repository, "node_modules", "typescript", "bin", "tsc");

let made: TestPackage;
beforeAll(async () => {
  made = await TestPackage.copy(torture);
  await made.install();
  for (const script of ["roundtrip.ts", "calls.ts"])
    await rename(join(made.dir, `${script}.txt`), join(made.dir, script));
  await made.write({
    "tsconfig.json": JSON.stringify({
      extends: join(repository, "tsconfig.json"),
      include: [join(made.dir, "gen"), join(made.dir, "*.ts")],
    }),
  });
  await made.generate();
});
afterAll(() => made[Symbol.asyncDispose]());

test("all generated code compiles under the strict tsconfig", async () => {
  const { code, output } = await runNode([tsc, "--noEmit", "-p", made.dir], { cwd: made.dir });
  expect(output).toBe("");
  expect(code).toBe(0);
});

test("data goes through generated codecs and those of another library, and nothing is lost", async () => {
  const manifest = join("gen", "real.v1.Real.manifest.json");
  const { code, output } = await runNode(["roundtrip.ts", manifest], { cwd: made.dir });
  expect(output).toBe("round trips: ok\n");
  expect(code).toBe(0);
});

test("methods of all shapes can be called, whatever their names", async () => {
  const { code, output } = await runNode(["calls.ts"], { cwd: made.dir });
  expect(output).toContain("calls: ok\n");
  expect(code).toBe(0);
});

test("browser clients need no module of Node", async () => {
  const bundle = await build({
    entryPoints: ["gen/odd/v1/odd.browser.ts", "gen/real/v1/real.browser.ts"],
    absWorkingDir: made.dir,
    outdir: "dist",
    bundle: true,
    format: "esm",
    platform: "browser",
    write: false,
    metafile: true,
    logLevel: "silent",
  });
  expect(bundle.errors).toEqual([]);
  expect(Object.keys(bundle.metafile.inputs).filter((path) => path.includes("grpc-js"))).toEqual([]);
});

test("comments end nothing that they are in", async () => {
  const code = await readFile(join(made.dir, "gen/odd/v1/odd.server.ts"), "utf8");
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a comment of the contract, as it is written there
  expect(code).toContain("   * Ends *\\/ here: ${x} `y` <b>z</b>\n");
});
