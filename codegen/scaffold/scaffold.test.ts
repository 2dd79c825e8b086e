import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, symlink } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createClient } from "../../sdk/client/index.ts";
import type { MethodDefinition } from "../../sdk/definition.ts";
import { repository, TestPackage } from "../testing/package.ts";
import { runNode } from "../testing/run.ts";
import { serviceNames } from "./names.ts";

const rouse = join(repository, "cli", "bin", "rouse.mjs");
const tools = join(repository, "node_modules");

test.each([
  ["genome", "genome", "GenomeService"],
  ["gene-finder", "gene_finder", "GeneFinderService"],
  ["blast2-service", "blast2_service", "Blast2Service"],
])("%s is the package %s.v1 with %s", (name, snake, service) => {
  expect(serviceNames(name)).toEqual({ name, snake, service, fullName: `${snake}.v1.${service}` });
});

test.each([
  "",
  "Genome",
  "gene finder",
  "gene_finder",
  "-x",
  "x-",
  "2fast",
  "a--b",
  "../up",
  "a/b",
  "gène",
  "a-2",
])("%j is no name", (name) => {
  expect(() => serviceNames(name)).toThrow(
    `${JSON.stringify(name)} is no name for a service. Use words of lower-case letters and digits with "-" between them, such as "gene-finder".`,
  );
});

test("names that are too long or somebody else's", () => {
  expect(() => serviceNames("x".repeat(51))).toThrow("The name has 51 characters. Shorten it to 50 at most.");
  expect(() => serviceNames("google")).toThrow(
    'The name "google" is taken by a library. Choose another one.',
  );
});

let made: TestPackage;
let dir: string;
let printed: string;
beforeAll(async () => {
  made = await TestPackage.create();
  const run = await runNode([rouse, "new", "gene-finder", "--owner", 'A "B" <a@example.org>'], {
    cwd: made.dir,
  });
  printed = run.output;
  dir = join(made.dir, "gene-finder");
  // What "npm install" would do, without a registry.
  await mkdir(join(dir, "node_modules"));
  await symlink(repository, join(dir, "node_modules", "rouse"));
  for (const name of ["@types", "node", "typescript", "vitest"])
    await symlink(join(tools, name), join(dir, "node_modules", name));
});
afterAll(() => made[Symbol.asyncDispose]());

test("says what it made and what to do next", () => {
  expect(printed).toContain("gene_finder.v1.GeneFinderService is in gene-finder:");
  expect(printed).toContain("  cd gene-finder\n  npm install\n  npm test\n  npm start\n");
});

test("names the service and links Rouse", async () => {
  const content: unknown = JSON.parse(await readFile(join(dir, "package.json"), "utf8"));
  expect(content).toMatchObject({
    name: "gene-finder",
    rouse: { service: "gene_finder.v1.GeneFinderService" },
    dependencies: { rouse: expect.stringMatching(/^file:\.\./) },
  });
});

test("is generated and up to date", async () => {
  const { code, output } = await runNode([rouse, "gen", "--check"], { cwd: dir });
  expect(output).toBe("gen is up to date: 8 files.\n");
  expect(code).toBe(0);
});

test("compiles", async () => {
  const { code, output } = await runNode([join(tools, "typescript", "bin", "tsc"), "--noEmit"], { cwd: dir });
  expect(output).toBe("");
  expect(code).toBe(0);
});

test("passes its own test", async () => {
  const { code, output } = await runNode([join(tools, "vitest", "vitest.mjs"), "run"], { cwd: dir });
  expect(output).toContain("3 passed");
  expect(code).toBe(0);
});

test("runs", async () => {
  const notify = join(made.dir, "notify.sock");
  await using server = createServer().listen(notify);
  const ready = once(server, "connection");
  const child = spawn(process.execPath, ["src/main.ts"], {
    cwd: dir,
    env: { ...process.env, ROUSE_LISTEN: "127.0.0.1:0", ROUSE_NOTIFY: notify, ROUSE_INSTANCE: "one" },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const exited = once(child, "exit");
  try {
    const [socket] = (await Promise.race([ready, exited])) as [Socket];
    const [line] = (await once(createInterface(socket), "line")) as [string];
    const { address } = JSON.parse(line) as { address: string };
    using client = createClient(
      { name: "gene_finder.v1.GeneFinderService", version: "0.1.0", sessionKey: "", methods: { greet } },
      { target: address },
    );
    expect(await client.greet({ name: "x" })).toEqual({ greeting: "Hello, x!" });
    child.kill("SIGTERM");
    expect((await exited)[0]).toBe(0);
  } finally {
    child.kill("SIGKILL");
  }
});

/** One field of text, number 1. */
const encode = (text: string) => new Uint8Array([10, text.length, ...new TextEncoder().encode(text)]);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes.subarray(2));
const greet: MethodDefinition<{ name: string }, { greeting: string }> = {
  name: "Greet",
  path: "/gene_finder.v1.GeneFinderService/Greet",
  requestStream: false,
  responseStream: false,
  encodeRequest: ({ name }) => encode(name),
  decodeRequest: (bytes) => ({ name: decode(bytes) }),
  encodeResponse: ({ greeting }) => encode(greeting),
  decodeResponse: (bytes) => ({ greeting: decode(bytes) }),
  idempotent: true,
  deadlineMs: 10_000,
  mode: "sync",
};

test("a new actor generates, compiles and passes its own test", async () => {
  const { code } = await runNode([rouse, "new", "slow-greeter", "--actor", "--owner", "a"], {
    cwd: made.dir,
  });
  expect(code).toBe(0);
  const folder = join(made.dir, "slow-greeter");
  await mkdir(join(folder, "node_modules"));
  await symlink(repository, join(folder, "node_modules", "rouse"));
  for (const name of ["@types", "node", "typescript", "vitest"])
    await symlink(join(tools, name), join(folder, "node_modules", name));
  const check = await runNode([rouse, "gen", "--check"], { cwd: folder });
  expect(check.output).toBe("gen is up to date: 10 files.\n");
  const compiled = await runNode([join(tools, "typescript", "bin", "tsc"), "--noEmit"], { cwd: folder });
  expect(compiled.output).toBe("");
  const { output } = await runNode([join(tools, "vitest", "vitest.mjs"), "run"], { cwd: folder });
  expect(output).toContain("2 passed");
});

test("a folder with something in it is left alone", async () => {
  const { code, output } = await runNode([rouse, "new", "gene-finder"], { cwd: made.dir });
  expect(code).toBe(1);
  expect(output).toContain(
    "gene-finder is not empty. Choose another folder with --dir, or empty this one. (ALREADY_EXISTS, FOLDER_NOT_EMPTY)\n",
  );
});

test("a file in the way", async () => {
  const { code, output } = await runNode([rouse, "new", "other", "--dir", "package.json"], { cwd: made.dir });
  expect(code).toBe(1);
  expect(output).toContain("package.json is a file. Choose another folder with --dir.");
});

test("a bad name is refused before anything is written", async () => {
  const { code, output } = await runNode([rouse, "new", "Bad Name"], { cwd: made.dir });
  expect(code).toBe(1);
  expect(output).toBe(
    '"Bad Name" is no name for a service. Use words of lower-case letters and digits with "-" between them, such as "gene-finder". (INVALID_ARGUMENT, NAME_INVALID)\n',
  );
});

test("rouse gen --check ends with 1 and one sentence when the output is stale", async () => {
  const path = "gene-finder/proto/gene_finder/v1/gene_finder.proto";
  await made.write({ [path]: (await made.read(path)).replace("uint32 to = 1", "uint64 to = 1") });
  const { code, output } = await runNode([rouse, "gen", "--check", "--dir", "gene-finder"], {
    cwd: made.dir,
  });
  expect(code).toBe(1);
  expect(output).toContain("gene-finder/gen is not what the contract says:\n");
  expect(output).toContain("stale: gene_finder/v1/gene_finder.ts\n");
});
