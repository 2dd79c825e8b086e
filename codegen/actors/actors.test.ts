import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bundle } from "../../agent/build/bundle.ts";
import { repository, TestPackage } from "../testing/package.ts";
import { runNode } from "../testing/run.ts";

const tsc = join(repository, "node_modules/typescript/bin/tsc");

const ordering = `import { actor, bytes, z } from "rouse/actor";

export const order = actor(
  "ordering",
  {
    summary: "Takes orders",
    exposure: "external",
    method: "Place",
    docs: "Places an order.",
    input: z.object({
      customer: z.string().min(1).describe("Who pays."),
      firstName: z.string().optional(),
      items: z.array(z.object({ sku: z.string(), count: z.int32().default(1) })),
      labels: z.record(z.string(), z.string()).optional(),
      due: z.date(),
      seal: bytes(),
      priority: z.enum(["low", "high"]),
      cents: z.bigint(),
      note: z.union([z.string(), z.number()]),
      matrix: z.array(z.array(z.number())),
      gift: z.boolean(),
    }),
    output: z.object({ id: z.string(), total: z.number(), due: z.date(), echo: z.any(), seal: bytes() }),
  },
  async (input, run) => {
    const id = await run.step("number", () => \`order-\${input.customer}\`);
    await run.sleep(1);
    const total = input.items.reduce((sum, { count }) => sum + count, 0);
    return { id, total, due: input.due, echo: { ...input, due: 0, seal: 0, cents: 0 }, seal: input.seal };
  },
);
`;

const orderingContract = `syntax = "proto3";

package ordering.v2;

import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "rouse/mesh/v1/options.proto";

// Takes orders
service OrderingService {
  option (rouse.mesh.v1.service) = {
    version: "2.1.0"
    summary: "Takes orders"
    owner: "Ada <ada@example.org>"
    resources: {
      cpu: 0.25
      memory: "256Mi"
    }
    exposure: EXPOSURE_EXTERNAL
    idle_timeout: "1m"
  };

  // Places an order.
  rpc Place(PlaceRequest) returns (PlaceResponse) {
    option (rouse.mesh.v1.method) = {durable: true};
  }
}

message PlaceRequest {
  // Who pays.
  string customer = 1;
  optional string first_name = 2;
  message Items {
    string sku = 1;
    optional int32 count = 2;
  }
  repeated Items items = 3;
  map<string, string> labels = 4;
  google.protobuf.Timestamp due = 5;
  bytes seal = 6;
  string priority = 7;
  int64 cents = 8;
  google.protobuf.Value note = 9;
  repeated google.protobuf.Value matrix = 10;
  bool gift = 11;
}

message PlaceResponse {
  string id = 1;
  double total = 2;
  google.protobuf.Timestamp due = 3;
  google.protobuf.Value echo = 4;
  bytes seal = 5;
}
`;

const calls = `import assert from "node:assert/strict";
import { createOrderingServiceClient } from "../gen/ordering/v2/ordering.client.ts";

using client = createOrderingServiceClient({ target: process.env.TARGET ?? "" });
const request = {
  customer: "ada",
  items: [{ sku: "a", count: 2 }, { sku: "b" }],
  labels: { colour: "red" },
  due: { seconds: 1_700_000_000n, nanos: 5_000_000 },
  seal: new Uint8Array([1, 2]),
  priority: "high",
  cents: 12n,
  note: 4,
  matrix: [[1, 2], [3]],
  gift: true,
};
const { id, total, due, echo, seal } = await client.place(request);
assert.deepEqual({ id, total }, { id: "order-ada", total: 3 });
assert.deepEqual(due, request.due);
assert.deepEqual([...seal], [1, 2]);
assert.deepEqual(echo, {
  customer: "ada", items: [{ sku: "a", count: 2 }, { sku: "b", count: 1 }], labels: { colour: "red" },
  due: 0, seal: 0, cents: 0, priority: "high", note: 4, matrix: [[1, 2], [3]], gift: true,
});
const refused = await client.place({ ...request, customer: "", priority: "mid" }).catch((error) => error);
assert.equal(refused.reason, "ACTOR_INPUT_INVALID");
assert.match(refused.message, /^ordering does not take this input of Place: customer: .*; priority: /);
console.log("calls: ok");
`;

const packageJson = (service: string, actor: string) =>
  JSON.stringify({
    type: "module",
    version: "2.1.0",
    author: "Ada <ada@example.org>",
    rouse: { service, actor },
  });

const tsconfig = JSON.stringify({ extends: join(repository, "tsconfig.json"), include: ["src", "gen"] });

/** Runs a program that serves on a socket, and calls it by another. */
async function tryProgram(made: TestPackage, program: string, caller: string): Promise<string> {
  const target = `unix:${join(made.dir, "s.sock")}`;
  const child = spawn(process.execPath, [program], {
    cwd: made.dir,
    env: { ...process.env, ROUSE_LISTEN: target },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const exited = once(child, "exit");
  try {
    const { output } = await runNode([caller], { cwd: made.dir, env: { TARGET: target } });
    return output;
  } finally {
    child.kill("SIGTERM");
    await exited;
  }
}

let made: TestPackage;
beforeAll(async () => {
  made = await TestPackage.create({
    "package.json": packageJson("ordering.v2.OrderingService", "src/order.ts"),
    "tsconfig.json": tsconfig,
    "src/order.ts": ordering,
    "src/calls.ts": calls,
  });
  await made.install();
});
afterAll(() => made[Symbol.asyncDispose]());

test("an actor's contract is made of its declaration, and everything else of that", async () => {
  const { written, services } = await made.generate();
  expect(services).toEqual({ annotated: ["ordering.v2.OrderingService"], plain: [] });
  expect(written).toEqual([
    "actor.main.ts",
    "google/protobuf/struct.ts",
    "google/protobuf/timestamp.ts",
    "ordering.v2.OrderingService.manifest.json",
    "ordering/v2/ordering.browser.ts",
    "ordering/v2/ordering.client.ts",
    "ordering/v2/ordering.definition.ts",
    "ordering/v2/ordering.html",
    "ordering/v2/ordering.md",
    "ordering/v2/ordering.proto",
    "ordering/v2/ordering.server.ts",
    "ordering/v2/ordering.ts",
  ]);
  expect(await made.read("gen/ordering/v2/ordering.proto")).toBe(orderingContract);
  await made.generate({ check: true });
});

test("what is generated compiles, and the program serves the function by its types", async () => {
  await made.generate();
  const compiled = await runNode([tsc, "--noEmit"], { cwd: made.dir });
  expect(compiled.output).toBe("");
  expect(await tryProgram(made, "gen/actor.main.ts", "src/calls.ts")).toBe("calls: ok\n");
});

test("one call with a function makes a service of any JSON", async () => {
  await using one = await TestPackage.create({
    "package.json": packageJson("greeter.v2.GreeterService", "src/greeter.ts"),
    "src/greeter.ts": `import { actor } from "rouse/actor";
export const greet = actor("greeter", async (input, run) => run.step("greet", () => ({ hello: input })));
`,
    "src/calls.ts": `import assert from "node:assert/strict";
import { createGreeterServiceClient } from "../gen/greeter/v2/greeter.client.ts";
using client = createGreeterServiceClient({ target: process.env.TARGET ?? "" });
assert.deepEqual(await client.run({ value: [1, { a: null }] }), { value: { hello: [1, { a: null }] } });
console.log("calls: ok");
`,
  });
  await one.install();
  await one.generate();
  expect(await one.read("gen/greeter/v2/greeter.proto")).toContain(`
message RunRequest {
  google.protobuf.Value value = 1;
}
`);
  expect(await tryProgram(one, "gen/actor.main.ts", "src/calls.ts")).toBe("calls: ok\n");
});

test("a decorated class is a keyed actor, once that it is bundled", async () => {
  await using one = await TestPackage.create({
    "package.json": packageJson("counter.v2.CounterService", "src/counter.ts"),
    "src/counter.ts": `import { actor, method, type Run, z } from "rouse/actor";

@actor("counter", { keyed: true, summary: "Counts" })
export class Counter {
  calls = 0;

  @method({ input: z.object({ by: z.int32() }), output: z.object({ text: z.string() }), docs: "Adds." })
  async add({ by }: { by: number }, run: Run) {
    this.calls += 1;
    return { text: await run.step("add", () => \`\${run.key} \${by} \${this.calls}\`) };
  }

  @method({})
  async reset() {
    return null;
  }
}
`,
    "src/calls.ts": `import assert from "node:assert/strict";
import { createCounterServiceClient } from "../gen/counter/v2/counter.client.ts";
using client = createCounterServiceClient({ target: process.env.TARGET ?? "" });
assert.deepEqual(await client.add({ by: 2 }, { key: "a" }), { text: "a 2 1" });
assert.deepEqual(await client.add({ by: 3 }, { key: "b" }), { text: "b 3 1" });
assert.deepEqual(await client.reset({ value: 1 }, { key: "b" }), { value: null });
const refused = await client.add({ by: 2 }).catch((error) => error);
assert.equal(refused.message, 'counter is a keyed actor, and this call of Add has no key. Give it one: client.add(request, { key: "…" }).');
console.log("calls: ok");
`,
  });
  await one.install();
  await one.generate();
  expect(await one.read("gen/counter/v2/counter.proto")).toContain(
    "  // Adds.\n  rpc Add(AddRequest) returns (AddResponse) {",
  );
  await bundle(one.dir);
  expect(await tryProgram(one, "dist/main.mjs", "src/calls.ts")).toBe("calls: ok\n");
});

const head = 'import { actor, z } from "rouse/actor";\n';
test.each([
  [
    "nothing",
    "",
    'src/a.ts declares 0 actors, and a package runs one. Declare it by actor("name", async (input, run) => …) of rouse/actor, and others in packages of their own.',
  ],
  [
    "two",
    'actor("a", async () => 1); actor("b", async () => 1);',
    'src/a.ts declares 2 actors (a, b), and a package runs one. Declare it by actor("name", async (input, run) => …) of rouse/actor, and others in packages of their own.',
  ],
  [
    "the same twice",
    'actor("a", async () => 1); actor("a", async () => 1);',
    'Actor "a" is declared twice. Give one of them another name.',
  ],
  [
    "a bad name",
    'actor("Bad Name", async () => 1);',
    '"Bad Name" is no name for an actor. Use words of lower-case letters and digits with "-" between them, such as "gene-finder".',
  ],
  [
    "no function",
    'actor("a", {}, 7 as never);',
    'Actor "a" is neither a function nor a class. Write actor("name", async (input, run) => …).',
  ],
  [
    "no method",
    'actor("a", class {});',
    'Actor "a" has no method. Give its class one: async run(input, run) { … }.',
  ],
  [
    "schemas without a method",
    'actor("a", { methods: { add: {} } }, class {});',
    'Actor "a" has no method "add", and there are schemas for it.',
  ],
  [
    "a method's name",
    'actor("a", { method: "do it" }, async () => 1);',
    'Actor "a" has a method "do it". Name it by letters and digits, such as "Add".',
  ],
  [
    "a field's name",
    'actor("a", { input: z.object({ "first name": z.string() }) }, async () => 1);',
    'Actor "a" cannot have a contract: RunRequest has a field "first name". Name it by letters and digits, such as "firstName", or give the object as z.record().',
  ],
  [
    "fields that are one",
    'actor("a", { input: z.object({ firstName: z.string(), first_name: z.string() }) }, async () => 1);',
    'Actor "a" cannot have a contract: RunRequest has the fields "firstName" and "first_name", which are both first_name in a contract. Rename one.',
  ],
])("a declaration that cannot be a service: %s", async (_, source, message) => {
  await using one = await TestPackage.create({
    "package.json": packageJson("a.v2.AService", "src/a.ts"),
    "src/a.ts": head + source,
  });
  expect(await one.generateError()).toMatchObject({ reason: "ACTOR_INVALID", message });
});

const remedy =
  'It is run by "rouse gen" just to see what it declares: what it connects to or reads belongs into its functions.';
test.each([
  [
    "throws",
    'throw new TypeError("no database");',
    /^src\/a\.ts cannot be run to learn of its actor: TypeError: no database\n/,
  ],
  [
    "cannot be read",
    "const = 1;",
    /^src\/a\.ts cannot be run to learn of its actor: src\/a\.ts:2:6: Expected identifier but found "="\n/,
  ],
  ["ends the program", "process.exit(3);", /^src\/a\.ts cannot be run to learn of its actor: /],
])("a file that %s", async (_, source, message) => {
  await using one = await TestPackage.create({
    "package.json": packageJson("a.v2.AService", "src/a.ts"),
    "src/a.ts": head + source,
  });
  const error = await one.generateError();
  expect(error.message).toMatch(message);
  expect(error.message.endsWith(remedy)).toBe(true);
  expect(error.reason).toBe("ACTOR_FAILED");
});

test("a file that is not there", async () => {
  await using one = await TestPackage.create({ "package.json": packageJson("a.v2.AService", "src/a.ts") });
  expect(await one.generateError()).toMatchObject({
    reason: "ACTOR_FAILED",
    message:
      'src/a.ts does not exist, and package.json says that it declares an actor. Write it, or correct "actor" in its field "rouse".',
  });
});
