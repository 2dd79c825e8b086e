import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import type { DescMethod } from "@bufbuild/protobuf";
import { afterAll, beforeAll, expect, test } from "vitest";
import { repository, TestPackage } from "../../../codegen/testing/package.ts";
import { runNode } from "../../../codegen/testing/run.ts";
import { readContract } from "../try/contract.ts";
import { exampleOf } from "../try/example.ts";
import type { Json } from "../try/json.ts";
import { tortureSet } from "../try/testing/torture.ts";
import { pythonLiteral, shellWord } from "./quote.ts";
import { rouseCallLine, samplesOf } from "./samples.ts";

const run = promisify(execFile);
const contract = readContract({ descriptorSet: await tortureSet(), types: [] });
const methods: DescMethod[] = [...contract.registry].flatMap((desc) =>
  desc.kind === "service" ? desc.methods : [],
);
const sample = (method: DescMethod, id: string, request: Json = exampleOf(method.input, contract)) =>
  samplesOf({ method, request, version: "1.0.0", edge: "https://mesh.example.org" }).find(
    (one) => one.id === id,
  )?.text;

let made: TestPackage;
beforeAll(async () => {
  made = await TestPackage.copy(join(repository, "codegen", "testdata", "torture"));
  await made.install();
  await made.generate();
});
afterAll(() => made[Symbol.asyncDispose]());

test("TypeScript samples of the contract that has everything compile under the strict tsconfig", async () => {
  const own = methods.filter(({ parent }) => /^(odd|real)\.v1\./.test(parent.typeName));
  const files: Record<string, string> = {};
  for (const method of own)
    for (const id of ["typescript", "browser"]) {
      const text = sample(method, id);
      if (text !== undefined) files[`${method.parent.name}${method.name}.${id}.ts`] = text;
    }
  expect(Object.keys(files).length).toBeGreaterThan(20);
  await made.write({
    ...files,
    "tsconfig.json": JSON.stringify({
      extends: join(repository, "tsconfig.json"),
      include: [join(made.dir, "*.ts")],
    }),
  });
  const tsc = join(repository, "node_modules", "typescript", "bin", "tsc");
  const { code, output } = await runNode([tsc, "--noEmit", "-p", made.dir], { cwd: made.dir });
  expect(output).toBe("");
  expect(code).toBe(0);
});

const hostile = 'it\'s "$(id)" `id` \\ $HOME !x\n</script>\t🧬\u2028';

test("the shell and Python read back what was meant", async () => {
  const { stdout } = await run("bash", ["-c", `printf %s ${shellWord(hostile)}`]);
  expect(stdout).toBe(hostile);
  const json: Json = { a: hostile, b: [1.5, null, true, {}], "c d": { "'": [] } };
  const python = `import json\nprint(json.dumps(${pythonLiteral(json)}))`;
  const read = await run("python3", ["-c", python]).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
    return undefined;
  });
  if (read !== undefined) expect(JSON.parse(read.stdout)).toEqual(json);
});

test("curl, rouse call and grpcurl: one line that a shell takes, with the version and the request", async () => {
  const find = (name: string) => {
    const method = methods.find((one) => one.name === name);
    if (method === undefined) throw new Error(`no ${name}`);
    return method;
  };
  const method = find("Default");
  const request = { items: ["it's"] };
  expect(sample(method, "curl", request)).toBe(
    "curl -sSN https://mesh.example.org/odd.v1.Odd/Default \\\n" +
      "  -H 'content-type: application/json' \\\n" +
      "  -H 'rouse-version: 1.0.0' \\\n" +
      `  -d '{"items":["it'\\''s"]}'\n`,
  );
  expect(rouseCallLine({ method, request, version: "1.0.0" })).toBe(
    `rouse call --version 1.0.0 odd.v1.Odd/Default '{"items":["it'\\''s"]}'`,
  );
  expect(sample(method, "grpcurl", request)).toContain("mesh.example.org odd.v1.Odd/Default");
  expect(sample(find("Constructor"), "curl")).toBeUndefined();
  expect(sample(find("Enum"), "browser")).toBeUndefined();
  const job = { method: find("Import"), request, version: "1.0.0", edge: "https://mesh.example.org" };
  expect(samplesOf(job).map(({ title, text }) => [title, text])).toEqual([
    ["rouse order", `rouse order --version 1.0.0 odd.v1.Odd/Import '{"items":["it'\\''s"]}'\n`],
  ]);
  for (const one of methods)
    for (const id of ["rouse", "grpcurl", "curl", "order"]) {
      const text = sample(one, id);
      if (text !== undefined) await run("bash", ["-n", "-c", text]);
    }
});
