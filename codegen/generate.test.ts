import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { echoContract, echoPath, TestPackage } from "./testing/package.ts";

const outputs = [
  "echo.v1.EchoService.manifest.json",
  "echo/v1/echo.browser.ts",
  "echo/v1/echo.client.ts",
  "echo/v1/echo.definition.ts",
  "echo/v1/echo.html",
  "echo/v1/echo.md",
  "echo/v1/echo.server.ts",
  "echo/v1/echo.ts",
];

test("writes all of a contract, and nothing of what it only imports for its options", async () => {
  await using made = await TestPackage.create({ [echoPath]: echoContract() });
  const first = await made.generate();
  expect(first.written).toEqual(outputs);
  expect(first.changed).toEqual(outputs);
  expect(first.services).toEqual({ annotated: ["echo.v1.EchoService"], plain: [] });
  expect((await readdir(join(made.dir, "gen"))).sort()).toEqual([
    ".rouse-generated",
    "echo",
    "echo.v1.EchoService.manifest.json",
  ]);
});

test("touches no file that stays as it is", async () => {
  await using made = await TestPackage.create({ [echoPath]: echoContract() });
  await made.generate();
  const before = await stat(join(made.dir, "gen/echo/v1/echo.ts"), { bigint: true });
  expect((await made.generate()).changed).toEqual([]);
  const after = await stat(join(made.dir, "gen/echo/v1/echo.ts"), { bigint: true });
  expect(after.mtimeNs).toBe(before.mtimeNs);
  expect(after.ino).toBe(before.ino);
});

test("two runs write the same", async () => {
  await using made = await TestPackage.create({ [echoPath]: echoContract() });
  await made.generate({ out: "one" });
  await made.generate({ out: "two" });
  for (const path of outputs)
    expect(await made.read(`one/${path}`), path).toBe(await made.read(`two/${path}`));
});

test("--check tells what is stale, missing and left over, and writes nothing", async () => {
  await using made = await TestPackage.create({
    [echoPath]: echoContract(),
    "proto/other/v1/other.proto": 'syntax = "proto3";\npackage other.v1;\nmessage Other {}\n',
  });
  const missing = await made.generateError({ check: true });
  expect(missing).toMatchObject({ status: "FAILED_PRECONDITION", reason: "GENERATED_STALE" });
  expect(missing.message.split("\n")).toContain("missing: echo/v1/echo.ts");
  await expect(readdir(join(made.dir, "gen"))).rejects.toThrow("ENOENT");

  await made.generate();
  await made.generate({ check: true });

  await made.write({
    "proto/other/v1/other.proto": 'syntax = "proto3";\npackage other.v1;\nmessage Thing {}\n',
  });
  await made.write({ [echoPath]: echoContract({ options: 'version: "1.1.0", owner: "a@example.org"' }) });
  expect((await made.generateError({ check: true })).message).toBe(`gen is not what the contract says:
stale: echo.v1.EchoService.manifest.json
stale: echo/v1/echo.definition.ts
stale: echo/v1/echo.html
stale: echo/v1/echo.md
stale: echo/v1/echo.server.ts
stale: other/v1/other.html
stale: other/v1/other.md
stale: other/v1/other.ts
Run "rouse gen".`);
});

test("removes what is no longer generated, and only that", async () => {
  await using made = await TestPackage.create({
    [echoPath]: echoContract(),
    "proto/other/v1/other.proto": 'syntax = "proto3";\npackage other.v1;\nmessage Other {}\n',
  });
  await made.generate();
  await made.write({ "gen/mine.txt": "mine" });
  await made.remove("proto/other");
  expect((await made.generateError({ check: true })).message).toBe(`gen is not what the contract says:
left over: other/v1/other.html
left over: other/v1/other.md
left over: other/v1/other.ts
Run "rouse gen".`);
  const { removed } = await made.generate();
  expect(removed).toEqual(["other/v1/other.html", "other/v1/other.md", "other/v1/other.ts"]);
  expect((await readdir(join(made.dir, "gen"))).sort()).toEqual([
    ".rouse-generated",
    "echo",
    "echo.v1.EchoService.manifest.json",
    "mine.txt",
  ]);
});

test("removes nothing outside of the output, whatever its list says", async () => {
  await using made = await TestPackage.create({ [echoPath]: echoContract(), "precious.txt": "precious" });
  await made.generate();
  const list = await made.read("gen/.rouse-generated");
  await made.write({ "gen/.rouse-generated": `${list}../precious.txt\necho/../../precious.txt\n` });
  expect((await made.generate()).removed).toEqual([]);
  expect(await made.read("precious.txt")).toBe("precious");
});

test("does not write over a file that it did not write", async () => {
  await using made = await TestPackage.create({
    [echoPath]: echoContract(),
    "gen/echo/v1/echo.ts": "// mine\n",
  });
  const error = await made.generateError();
  expect(error).toMatchObject({ status: "ALREADY_EXISTS", reason: "OUTPUT_FOREIGN" });
  expect(error.message).toBe(
    'gen has files that "rouse gen" did not write, and would overwrite: echo/v1/echo.ts. Move them, or choose another folder with --out.',
  );
  expect(await readdir(join(made.dir, "gen/echo/v1"))).toEqual(["echo.ts"]);
});

test("a run that fails leaves the old output as it was", async () => {
  await using made = await TestPackage.create({ [echoPath]: echoContract() });
  await made.generate();
  const before = await made.read("gen/echo/v1/echo.definition.ts");
  await made.write({ [echoPath]: echoContract({ options: 'version: "two", owner: "a"' }) });
  await made.generateError();
  expect(await made.read("gen/echo/v1/echo.definition.ts")).toBe(before);
  await made.write({ [echoPath]: "this is no contract" });
  await made.generateError();
  expect(await made.read("gen/echo/v1/echo.definition.ts")).toBe(before);
});

test("a package without contract", async () => {
  await using made = await TestPackage.create();
  const error = await made.generateError();
  expect(error).toMatchObject({ status: "NOT_FOUND", reason: "CONTRACT_MISSING" });
  expect(error.message).toBe(
    'There is no .proto file in proto. Put the contract there, such as proto/genome/v1/genome.proto, or run "rouse new NAME".',
  );
});

test("what does not compile is told in the user's own file", async () => {
  await using made = await TestPackage.create({
    [echoPath]: echoContract({ methods: "rpc Echo(NoSuchRequest) returns (EchoResponse);" }),
  });
  expect((await made.generateError()).message).toBe(
    `The contract has a problem:\n${echoPath}:6:12: cannot find \`NoSuchRequest\` in this scope. Check how it is spelt; what another file declares needs that file's import.\nNothing was written.`,
  );
});

test("an option that does not exist", async () => {
  await using made = await TestPackage.create({
    [echoPath]: echoContract({ options: 'version: "1.0.0", ownr: "a"' }),
  });
  expect((await made.generateError()).message).toBe(
    `The contract has a problem:\n${echoPath}:5:55: rouse.mesh.v1.ServiceMesh has no field "ownr". See rouse/mesh/v1/options.proto for those that it has.\nNothing was written.`,
  );
});

test("a value that an option cannot have is told with what it can", async () => {
  const says: [written: string, at: string, message: string][] = [
    ["memory: 256Mi", "256Mi", 'memory cannot be 256Mi. Write text in quotes, such as memory: "256Mi".'],
    ["version: 1.0.0", "1.0.0", 'version cannot be 1.0.0. Write text in quotes, such as version: "1.0.0".'],
    ['cpu: "half"', '"half"', 'cpu cannot be "half". Write a number without quotes, such as 0.5.'],
    [
      "min_instances: -1",
      "-1",
      "min_instances cannot be -1. Write a whole number from 0 on, without quotes.",
    ],
    ["core: 1", "1", "core cannot be 1. Write true or false, without quotes."],
    [
      "exposure: EXTERNAL",
      "EXTERNAL",
      "exposure cannot be EXTERNAL. Write one of EXPOSURE_INTERNAL, EXPOSURE_EXTERNAL, without quotes.",
    ],
    ["standby: 2", "2", "standby cannot be 2. Write settings in braces, of instances, keep."],
    [
      'labels: {disk: "ssd"}',
      "disk",
      'An entry of a map names its two parts. Write {key: "disk", value: …}.',
    ],
  ];
  const around = (written: string) =>
    /^(memory|cpu|labels)/.test(written)
      ? `resources: {${written}}`
      : written.startsWith("core")
        ? `placement: {${written}}`
        : written;
  const services = says.map(
    ([written], n) =>
      `service S${n}Service { option (rouse.mesh.v1.service) = {owner: "a", ${around(written)}}; }`,
  );
  const methods =
    "rpc Echo(EchoRequest) returns (EchoResponse) { option idempotency_level = SAFE; option (rouse.mesh.v1.method).deadline = 5s; }";
  const contract = echoContract({ methods, messages: services.join("\n") });
  await using made = await TestPackage.create({ [echoPath]: contract });
  const lines = contract.split("\n");
  const place = (line: string, at: string) =>
    `${echoPath}:${lines.indexOf(line) + 1}:${line.lastIndexOf(at) + 1}`;
  const method = lines.find((line) => line.includes("SAFE")) ?? "";
  const expected = [
    `${place(method, "SAFE")}: idempotency_level cannot be SAFE. Write NO_SIDE_EFFECTS or IDEMPOTENT, without quotes.`,
    `${place(method, "5s")}: deadline cannot be 5s. Write text in quotes, such as deadline: "5s".`,
    ...says.map(([, at, message], n) => `${place(services[n] ?? "", at)}: ${message}`),
  ];
  expect((await made.generateError()).message.split("\n").slice(1, -1)).toEqual(expected);
});

test("an option whose file is not imported", async () => {
  await using made = await TestPackage.create({
    [echoPath]: echoContract().replace('import "rouse/mesh/v1/options.proto";\n', ""),
  });
  expect((await made.generateError()).message).toBe(
    `The contract has a problem:\n${echoPath}:4:11: cannot find \`rouse.mesh.v1.service\` in this scope. Add import "rouse/mesh/v1/options.proto";\nNothing was written.`,
  );
});

test("an import that is not there", async () => {
  await using made = await TestPackage.create({
    [echoPath]: echoContract().replace("service", 'import "buf/validate/validate.proto";\nservice'),
  });
  expect((await made.generateError()).message).toBe(
    `The contract has a problem:\n${echoPath}:4:1: There is no file "buf/validate/validate.proto". Put it into the proto folder; google/api, google/rpc, google/protobuf and rouse/mesh are there without.\nNothing was written.`,
  );
});

test("lint rules are told with the way out of them, and the user's own buf.yaml is such a way", async () => {
  const contract = echoContract({ messages: "message bad_name {}" });
  await using made = await TestPackage.create({ [echoPath]: contract });
  expect((await made.generateError()).message).toBe(
    `The contract has a problem:\n${echoPath}:10:9: Message name "bad_name" should be PascalCase, such as "BadName". Change it, or put MESSAGE_PASCAL_CASE under lint.except in buf.yaml.\nNothing was written.`,
  );
  await made.write({
    "buf.yaml":
      "version: v2\nmodules:\n  - path: proto\nlint:\n  use: [STANDARD]\n  except: [MESSAGE_PASCAL_CASE]\n",
  });
  await made.generate();
  await made.write({ "buf.yaml": "version: v1\n" });
  const error = await made.generateError();
  expect(error.reason).toBe("BUF_CONFIG_VERSION");
  expect(error.message).toBe('buf.yaml is not of version v2. Run "buf config migrate" there.');
});

test("lint rules that there are not", async () => {
  await using made = await TestPackage.create({
    [echoPath]: echoContract(),
    "buf.yaml": "version: v2\nlint: {use: [NO_SUCH_RULE]}\n",
  });
  const error = await made.generateError();
  expect(error.reason).toBe("BUF_CONFIG_INVALID");
  expect(error.message).toBe(
    'buf does not take the lint rules of buf.yaml: "NO_SUCH_RULE" is not a known rule or category ID. Correct them as on https://buf.build/docs/lint/rules.',
  );
});

test("an output folder that cannot be one", async () => {
  await using made = await TestPackage.create({ [echoPath]: echoContract(), gen: "a file" });
  const error = await made.generateError();
  expect(error).toMatchObject({ status: "FAILED_PRECONDITION", reason: "OUTPUT_UNWRITABLE" });
  expect(error.message).toMatch(
    /^gen cannot be written: .*\. Clear the way, or choose another folder with --out\.$/,
  );
  expect(await made.read("gen")).toBe("a file");
});

test("contracts may import google's protos, from Rouse or from a copy of their own", async () => {
  const contract = echoContract({
    methods:
      'rpc Echo(EchoRequest) returns (EchoResponse) { option (google.api.http) = {post: "/v1/echo", body: "*"}; }',
    messages: "message Fault { google.rpc.Status status = 1; }",
  }).replace("service", 'import "google/api/annotations.proto";\nimport "google/rpc/status.proto";\nservice');
  await using made = await TestPackage.create({ [echoPath]: contract });
  const { written } = await made.generate();
  expect(written.filter((path) => path.startsWith("google/"))).toEqual([
    "google/protobuf/any.ts",
    "google/rpc/status.ts",
  ]);
  await made.write({
    "proto/google/rpc/status.proto":
      'syntax = "proto3";\npackage google.rpc;\nmessage Status { int32 code = 1; string own = 9; }\n',
  });
  await made.generate();
  expect(await made.read("gen/google/rpc/status.ts")).toContain("own: string");
});

test("names that cannot be told apart in TypeScript are all named", async () => {
  await using made = await TestPackage.create({
    "buf.yaml": "version: v2\nlint: {use: [MINIMAL]}\n",
    [echoPath]: echoContract({
      methods: `rpc Echo(EchoRequest) returns (EchoResponse);
  rpc echo(EchoRequest) returns (EchoResponse);
  rpc Then(EchoRequest) returns (EchoResponse);`,
      messages: `message Foo_Bar {}
message FooBar { string _ = 1; oneof some_kind { string a = 2; } string someKind = 3; }
message Map {}
message MapMessage {}`,
    }),
  });
  expect((await made.generateError()).message.split("\n")).toEqual([
    "The contract has 6 problems:",
    `${echoPath}:7:3: echo and Echo are both the function "echo" in TypeScript. Rename one of them.`,
    `${echoPath}:8:3: A client with a function "then" passes for a Promise. Rename the method Then, such as to Next.`,
    `${echoPath}:13:1: FooBar and Foo_Bar are both the type "FooBar" in TypeScript. Rename one of them.`,
    `${echoPath}:13:18: field _ of FooBar has no letter to begin its property with. Rename it.`,
    expect.stringMatching(
      /:13:\d+: .*some_?[kK]ind are both the property "someKind" in TypeScript\. Rename one of them\.$/,
    ),
    `${echoPath}:15:1: MapMessage and Map are both the type "MapMessage" in TypeScript. Rename one of them.`,
    "Nothing was written.",
  ]);
});

test("what proto2 has and generated code has not", async () => {
  await using made = await TestPackage.create({
    "buf.yaml": "version: v2\nlint: {use: [MINIMAL]}\n",
    "proto/old/v1/old.proto": `syntax = "proto2";
package old.v1;
message Old {
  optional group Part = 1 { optional string a = 1; }
  optional bytes raw = 2 [default = "x"];
}
`,
  });
  expect((await made.generateError()).message.split("\n")).toEqual([
    "The contract has 2 problems:",
    "proto/old/v1/old.proto:4:3: Old has the group part, which cannot be generated. Make it a message of its own and a field of that type.",
    "proto/old/v1/old.proto:5:3: Old.raw has a default of bytes, which cannot be generated. Remove the default and apply it in the code.",
    "Nothing was written.",
  ]);
});

test("editions, which ts-proto encodes wrongly", async () => {
  await using made = await TestPackage.create({
    "proto/new/v1/new.proto": '// New.\nedition = "2023";\npackage new.v1;\nmessage New { string a = 1; }\n',
  });
  expect((await made.generateError()).message).toBe(
    'The contract has a problem:\nproto/new/v1/new.proto:2:1: The file is of edition 2023, which ts-proto encodes wrongly. Begin it with syntax = "proto3";\nNothing was written.',
  );
});

test("two files that would be written to one", async () => {
  await using made = await TestPackage.create({
    [echoPath]: echoContract(),
    "proto/echo/v1/echo.server.proto": 'syntax = "proto3";\npackage echo.v1;\nmessage Other {}\n',
    "buf.yaml": "version: v2\nlint: {use: [MINIMAL]}\n",
  });
  const error = await made.generateError();
  expect(error.reason).toBe("CONTRACT_INVALID");
  expect(error.message).toBe(
    "Two files of the contract would both be written to echo/v1/echo.server.ts. Rename the .proto file of that name.",
  );
});

test("several services in a file have a serve each", async () => {
  const second = `service PingService {
  option (rouse.mesh.v1.service) = {version: "1.0.0", owner: "a"};
  rpc Ping(EchoRequest) returns (EchoResponse);
}
service PlainService { rpc Plain(EchoRequest) returns (EchoResponse); }`;
  await using made = await TestPackage.create({ [echoPath]: echoContract({ messages: second }) });
  const { services } = await made.generate();
  expect(services).toEqual({
    annotated: ["echo.v1.EchoService", "echo.v1.PingService"],
    plain: ["echo.v1.PlainService"],
  });
  const server = await made.read("gen/echo/v1/echo.server.ts");
  for (const name of ["serveEchoService", "servePingService", "servePlainService"])
    expect(server).toContain(`export const ${name}: ServeFunction<`);
  await expect(made.read("gen/echo.v1.PlainService.manifest.json")).rejects.toThrow("ENOENT");
});

test("package.json must name one of the contract's services, where it names any", async () => {
  const second = `service PingService {
  option (rouse.mesh.v1.service) = {version: "1.0.0", owner: "a"};
  rpc Ping(EchoRequest) returns (EchoResponse);
}
service PlainService { rpc Plain(EchoRequest) returns (EchoResponse); }`;
  await using made = await TestPackage.create({ [echoPath]: echoContract({ messages: second }) });
  const says = async (content: string) => {
    await made.write({ "package.json": content });
    const { reason, message } = await made.generateError();
    return [reason, message];
  };
  expect(await says('{"rouse": {}}')).toEqual([
    "SERVICE_AMBIGUOUS",
    'The contract has 2 services (echo.v1.EchoService, echo.v1.PingService), and package.json does not say which one the package runs. Add "service" under "rouse".',
  ]);
  expect(await says('{"rouse": {"service": "echo.v1.Echo"}}')).toEqual([
    "SERVICE_NOT_IN_CONTRACT",
    'package.json says that the package runs "echo.v1.Echo", but it is not in the contract. Name one of its services: echo.v1.EchoService, echo.v1.PingService.',
  ]);
  expect(await says('{"rouse": {"service": "echo.v1.PlainService"}}')).toEqual([
    "SERVICE_NOT_IN_CONTRACT",
    'package.json says that the package runs "echo.v1.PlainService", but it has no option (rouse.mesh.v1.service). Add it to the contract.',
  ]);
  expect(await says("{")).toEqual([
    "PACKAGE_INVALID",
    'package.json cannot be read: it must be JSON, with "rouse" such as {"service": "genome.v1.GenomeService"}.',
  ]);
  await made.write({ "package.json": '{"rouse": {"service": "echo.v1.PingService"}}' });
  await made.generate();
});
