import { create, fromBinary, fromJsonString, toBinary, toJsonString } from "@bufbuild/protobuf";
import {
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";
import { credentials } from "@grpc/grpc-js";
import { afterEach, beforeAll, expect, test } from "vitest";
import { MeshConfigClient } from "#proto/rouse/meshconfig/v1/meshconfig.ts";
import { RouseError } from "../../sdk/errors.ts";
import { unary } from "../../sdk/grpc.ts";
import { compile, serveContract } from "../testing/contract.ts";
import {
  nextGeneration,
  type RigOptions,
  startRig,
  startsWhatIsWanted,
  type TestRig,
} from "../testing/rig.ts";
import { manifest, type TestMesh, version } from "../testing/state.ts";

const shelf = "shelf.v1.Shelf";
const proto = `
  syntax = "proto3";
  package shelf.v1;
  import "google/api/annotations.proto";
  import "google/protobuf/timestamp.proto";
  enum Kind { KIND_UNSPECIFIED = 0; KIND_NOVEL = 1; }
  message Book { string book_name = 1; Kind kind = 2; int64 pages = 3; google.protobuf.Timestamp at = 4; }
  message GetBookRequest { string shelf = 1; string id = 2; Kind kind = 3; }
  message ListBooksRequest { int32 count = 1; }
  service Shelf {
    rpc GetBook(GetBookRequest) returns (Book) {
      option (google.api.http) = { get: "/v1/shelves/{shelf}/books/{id}" };
    }
    rpc ListBooks(ListBooksRequest) returns (stream Book);
    rpc AddBooks(stream Book) returns (ListBooksRequest);
    rpc Hijack(GetBookRequest) returns (Book) { option (google.api.http) = { get: "/{shelf=**}" }; }
  }
`;
let set: Uint8Array;
beforeAll(async () => {
  set = await compile({ "shelf.proto": proto });
});

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function start(
  sets: Record<string, Uint8Array>,
  prepare: (mesh: TestMesh) => void,
  options: RigOptions = {},
): Promise<TestRig> {
  const rig = await startRig({
    ...options,
    prepare,
    readDescriptorSet: async (service) => sets[service] ?? new Uint8Array(),
  });
  closers.push(() => rig.close());
  return rig;
}

/** Resolves when Envoy has translated so many services. */
async function configured(rig: TestRig, services: number): Promise<void> {
  await rig.envoy.until("/config_dump?resource=ecds_filters", (text) => {
    const names = /"services": \[([^\]]*)\]/.exec(text)?.[1] ?? "";
    return (names.match(/"/g)?.length ?? 0) / 2 === services;
  });
}

async function call(rig: TestRig, method: string, path: string, body?: unknown, headers = {}) {
  const response = await fetch(`http://${rig.edge}${path}`, {
    method,
    headers: { ...(body !== undefined && { "content-type": "application/json" }), ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const json = response.headers.get("content-type") === "application/json" && text !== "";
  return { status: response.status, json: json ? JSON.parse(text) : undefined };
}

async function shelfServer() {
  const server = await serveContract(set, shelf, {
    GetBook: ([request]) => {
      if (request?.id === "9")
        throw new RouseError("NOT_FOUND", "There is no book 9.", { reason: "BOOK_UNKNOWN" });
      return {
        bookName: `${request?.shelf}/${request?.id}`,
        kind: request?.kind ?? "KIND_UNSPECIFIED",
        pages: "7",
      };
    },
    ListBooks: async function* ([request]) {
      for (let number = 0; number < Number(request?.count ?? 0); number++) yield { bookName: String(number) };
    },
    AddBooks: (requests) => ({ count: requests.length }),
  });
  closers.push(() => server.close());
  return server;
}

test("a cold service is woken by JSON, in all shapes, and says its errors in JSON", async () => {
  const rig = await start({ [shelf]: set }, (mesh) => mesh.put(version(manifest(shelf, "1.0.0"))));
  const server = await shelfServer();
  startsWhatIsWanted(rig, () => server.address);
  await configured(rig, 1);
  const book = { bookName: "a/1", kind: "KIND_NOVEL", pages: "7" };
  expect(await call(rig, "GET", "/v1/shelves/a/books/1?kind=KIND_NOVEL")).toEqual({
    status: 200,
    json: book,
  });
  expect(rig.orchestrator.wanted).toMatchObject([{ service: shelf, version: "1.0.0", generation: 1 }]);
  // Every method has its default path too.
  expect(await call(rig, "POST", `/${shelf}/GetBook`, { shelf: "a", id: "1", kind: "KIND_NOVEL" })).toEqual({
    status: 200,
    json: book,
  });
  expect(await call(rig, "POST", `/${shelf}/ListBooks`, { count: 2 })).toEqual({
    status: 200,
    json: [{ bookName: "0" }, { bookName: "1" }],
  });
  expect(await call(rig, "POST", `/${shelf}/AddBooks`, [{ bookName: "x" }, {}])).toEqual({
    status: 200,
    json: { count: 2 },
  });
  const versioned = await call(rig, "GET", "/v1/shelves/a/books/1", undefined, { "rouse-version": "^1.0.0" });
  expect(versioned.status).toBe(200);

  const failed = await call(rig, "GET", "/v1/shelves/a/books/9");
  expect(failed).toMatchObject({ status: 404, json: { code: 5, message: "There is no book 9." } });
  expect(failed.json.details).toMatchObject([{ reason: "BOOK_UNKNOWN", domain: "rouse" }]);
  const unknown = await call(rig, "GET", "/v1/shelves/a/books/1", undefined, { "rouse-version": "3" });
  expect(unknown).toMatchObject({ status: 404, json: { details: [{ reason: "VERSION_UNKNOWN" }] } });
  const malformed = await fetch(`http://${rig.edge}/${shelf}/GetBook`, { method: "POST", body: '{"id": [' });
  expect(malformed.status).toBe(400);
  expect((await call(rig, "POST", `/${shelf}/GetBook`)).status).toBe(200);
  expect((await call(rig, "GET", "/v1/shelves/a/books/1?nonsense=1")).status).toBe(400);
  expect((await call(rig, "POST", `/${shelf}/Nothing`, {})).status).toBe(404);
  // Nobody takes all paths.
  expect((await call(rig, "GET", "/anything/else")).status).toBe(404);
});

const other = (kind: string, path: string) => `
  syntax = "proto3";
  package other.v1;
  import "google/api/annotations.proto";
  message Common { ${kind} value = 1; }
  service ${path === "a" ? "First" : "Second"} {
    rpc Get(Common) returns (Common) { option (google.api.http) = { get: "/v1/common/{value}" }; }
  }
`;

async function status(rig: TestRig) {
  const client = new MeshConfigClient(rig.control().address, credentials.createInsecure());
  const { jsonGaps, jsonServices } = await unary(client, "getStatus", {}).finally(() => client.close());
  return { jsonGaps, jsonServices };
}

test("contracts that contradict each other are told, and the first one stands", async () => {
  const [first, second, alike] = await Promise.all([
    compile({ "a.proto": other("string", "a") }),
    compile({ "b.proto": other("int32", "b") }),
    compile({ "b.proto": other("string", "b") }),
  ]);
  const sets = { "other.v1.First": first, "other.v1.Second": second };
  const rig = await start(sets, (mesh) => {
    for (const name of Object.keys(sets)) mesh.put(version(manifest(name, "1.0.0")));
  });
  const where = { service: "other.v1.Second", version: "1.0.0" };
  await expect
    .poll(() => status(rig))
    .toEqual({
      jsonServices: 1,
      jsonGaps: [
        {
          ...where,
          reason:
            "Its other.v1.Common is another one than that of other.v1.First 1.0.0: give one of the packages another name, or make them alike.",
        },
      ],
    });
  // Equal messages are shared; the path is the first one's.
  sets["other.v1.Second"] = alike;
  rig.mesh.put(version(manifest("other.v1.Second", "1.0.0")));
  await expect
    .poll(() => status(rig))
    .toEqual({
      jsonServices: 2,
      jsonGaps: [
        { ...where, reason: "GET /v1/common/{value} of Get is taken by other.v1.First 1.0.0, Get." },
      ],
    });
});

test("one contract that Envoy cannot read costs the others nothing, and no connection is drained", async () => {
  const spoilt = create(FileDescriptorSetSchema, fromBinary(FileDescriptorSetSchema, set));
  // Two fields of one number: protobuf-es takes it, Envoy does not.
  const fields = spoilt.file.find(({ name }) => name === "shelf.proto")?.messageType[0]?.field ?? [];
  for (const field of fields) field.number = 1;
  for (const file of spoilt.file) if (file.name === "shelf.proto") rename(file);
  const sets: Record<string, Uint8Array> = {
    [shelf]: set,
    "spoilt.v1.Shelf": toBinary(FileDescriptorSetSchema, spoilt),
  };
  const server = await shelfServer();
  const rig = await start(sets, (mesh) => {
    mesh.put(version(manifest("spoilt.v1.Shelf", "1.0.0")));
    mesh.put(version(manifest(shelf, "1.0.0")));
  });
  startsWhatIsWanted(rig, () => server.address);
  await configured(rig, 1);
  await expect.poll(async () => (await call(rig, "POST", `/${shelf}/GetBook`, { id: "1" })).status).toBe(200);
  await expect
    .poll(async () => (await status(rig)).jsonGaps)
    .toContainEqual({
      service: "spoilt.v1.Shelf",
      version: "1.0.0",
      reason: expect.stringContaining("Envoy cannot read its contract: transcoding_filter"),
    });

  // A further registration, and a change of generation, leave an open stream and the listeners alone.
  const connections = await rig.envoy.stat("http.edge.downstream_cx_total");
  const stream = rig.client.chat("echo.v1.Echo");
  stream.on("error", () => undefined);
  const versions = () => rig.envoy.stat("extension_config_discovery.http_filter.rouse.json.config_reload");
  const before = await versions();
  sets["other.v1.First"] = await compile({ "a.proto": other("string", "a") });
  rig.mesh.put(version(manifest("other.v1.First", "1.0.0")));
  await configured(rig, 2);
  expect(await versions()).toBe(before + 1);
  nextGeneration(rig, shelf, "1.0.0");
  await call(rig, "POST", `/${shelf}/GetBook`, { id: "1" });
  expect(await versions()).toBe(before + 1);
  expect(await rig.envoy.stat("listener_manager.listener_modified")).toBe(0);
  expect(await rig.envoy.stat("http.edge.downstream_cx_drain_close")).toBe(0);
  expect(await rig.envoy.stat("http.edge.downstream_cx_total")).toBeGreaterThanOrEqual(connections);
  stream.cancel();
});

test("pages of the allowed origins may read JSON and its errors, and no others", async () => {
  const rig = await start({ [shelf]: set }, (mesh) => mesh.put(version(manifest(shelf, "1.0.0"))), {
    corsOrigins: ["https://a.example"],
  });
  const server = await shelfServer();
  startsWhatIsWanted(rig, () => server.address);
  await configured(rig, 1);
  const allowed = async (origin: string, method: string, path: string, headers = {}) => {
    const response = await fetch(`http://${rig.edge}${path}`, { method, headers: { origin, ...headers } });
    return [response.status, response.headers.get("access-control-allow-origin")];
  };
  for (const [path, status, headers] of [
    ["/v1/shelves/a/books/1", 200, {}],
    ["/v1/shelves/a/books/9", 404, {}],
    ["/v1/shelves/a/books/1", 404, { "rouse-version": "7" }],
    ["/v1/nothing", 404, {}],
  ] as const) {
    expect(await allowed("https://a.example", "GET", path, headers)).toEqual([status, "https://a.example"]);
    expect(await allowed("https://b.example", "GET", path, headers)).toEqual([status, null]);
  }
});

test("JSON is taken while the control plane restarts", async () => {
  const rig = await start({ [shelf]: set }, (mesh) => mesh.put(version(manifest(shelf, "1.0.0"))));
  const server = await shelfServer();
  startsWhatIsWanted(rig, () => server.address);
  await configured(rig, 1);
  const get = async () => (await call(rig, "POST", `/${shelf}/GetBook`, { id: "1" })).status;
  expect(await get()).toBe(200);
  const statuses = new Set<number>();
  let stop = false;
  const calling = (async () => {
    while (!stop) statuses.add(await get());
  })();
  await rig.restartControl(async () => expect(await get()).toBe(200));
  await expect.poll(() => status(rig)).toMatchObject({ jsonServices: 1 });
  const types = () =>
    rig
      .control()
      .status()[0]
      ?.types.find(({ type }) => type === "extension")?.resources;
  await expect.poll(types).toBe(1);
  stop = true;
  await calling;
  expect([...statuses]).toEqual([200]);
});

function rename(file: FileDescriptorProto): void {
  const text = toJsonString(FileDescriptorProtoSchema, file).replaceAll("shelf.v1", "spoilt.v1");
  Object.assign(file, fromJsonString(FileDescriptorProtoSchema, text));
}
