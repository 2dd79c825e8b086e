import { validate } from "@readme/openapi-parser";
import { expect, test } from "vitest";
import { compile } from "../../mesh-config/testing/contract.ts";
import { manifest } from "../../mesh-config/testing/state.ts";
import { parseContract } from "../catalog/contract/contract.ts";
import type { Manifest } from "../manifest.ts";
import { openApiDocument } from "./document.ts";

const proto = `
  syntax = "proto3";
  package shelf.v1;
  import "google/api/annotations.proto";
  import "google/api/field_behavior.proto";
  import "google/protobuf/timestamp.proto";
  import "google/protobuf/wrappers.proto";
  import "google/protobuf/struct.proto";
  import "google/protobuf/any.proto";
  import "google/protobuf/empty.proto";
  // What a book is.
  enum Kind {
    KIND_UNSPECIFIED = 0;
    // Long.
    KIND_NOVEL = 1;
  }
  // A book, with the books it cites.
  message Book {
    string book_name = 1 [(google.api.field_behavior) = REQUIRED];
    // How it is kept.
    Kind kind = 2 [(google.api.field_behavior) = OUTPUT_ONLY];
    uint64 pages = 3;
    repeated Book cited = 4;
    map<string, Kind> kinds = 5;
    google.protobuf.Timestamp at = 6;
    google.protobuf.Int64Value count = 7;
    google.protobuf.Struct more = 8;
    google.protobuf.Any any = 9;
    oneof where { string room = 10; bytes map = 11 [deprecated = true]; }
    message Inner { double x = 1; }
    Inner inner = 12;
  }
  message GetBookRequest { string name = 1; Book.Inner near = 2; repeated int32 pages = 3; Book like = 4; }
  service Shelf {
    // Gets one book. It is quick.
    rpc GetBook(GetBookRequest) returns (Book) {
      option (google.api.http) = {
        get: "/v1/{name=shelves/*/books/*}"
        additional_bindings { patch: "/v1/{name=shelves/*}:change" body: "like" response_body: "inner" }
        additional_bindings { custom: { kind: "HEAD" path: "/v1/x" } }
      };
      option idempotency_level = NO_SIDE_EFFECTS;
    }
    rpc PutBook(Book) returns (google.protobuf.Empty) {
      option (google.api.http) = { put: "/v1/books/{book_name}" body: "*" };
    }
    rpc Chat(stream Book) returns (stream Book) { option deprecated = true; }
  }
`;

test("jobs are not called, and left out", async () => {
  const contract = parseContract("shelf.v1.Shelf", await compile({ "shelf.proto": proto }));
  const job: Manifest["methods"][number] = {
    name: "Chat",
    input: "shelf.v1.Book",
    output: "shelf.v1.Book",
    clientStreaming: false,
    serverStreaming: false,
    mode: "job",
    deadlineMs: 1_000,
    idempotency: "unknown",
    docs: "",
  };
  const document = openApiDocument(contract, manifest("shelf.v1.Shelf", "1.2.0", { methods: [job] }));
  expect(document.paths).not.toHaveProperty("/shelf.v1.Shelf/Chat");
  expect(Object.keys(document.paths).length).toBeGreaterThan(0);
});

test("the document is OpenAPI 3.1, and says what the contract says", async () => {
  const contract = parseContract("shelf.v1.Shelf", await compile({ "shelf.proto": proto }));
  const document = openApiDocument(contract, manifest("shelf.v1.Shelf", "1.2.0", { summary: "Books." }));
  const verdict = await validate(structuredClone(document) as never);
  expect(verdict).toMatchObject({ valid: true });

  expect(Object.entries(document.paths).map(([path, verbs]) => `${Object.keys(verbs)} ${path}`)).toEqual([
    "get /v1/shelves/{name}/books/{name_2}",
    "patch /v1/shelves/{name}:change",
    "put /v1/books/{book_name}",
    "post /shelf.v1.Shelf/Chat",
  ]);
  const get = document.paths["/v1/shelves/{name}/books/{name_2}"]?.get as {
    summary: string;
    parameters: { name: string; in: string; schema: object }[];
  };
  expect(get.summary).toBe("Gets one book.");
  expect(get.parameters.filter((one) => one.in === "query").map(({ name }) => name)).toEqual(
    expect.arrayContaining(["near.x", "pages", "like.bookName", "like.at", "like.count"]),
  );
  const chat = document.paths["/shelf.v1.Shelf/Chat"]?.post;
  expect(chat).toMatchObject({
    deprecated: true,
    requestBody: { content: { "application/json": { schema: { type: "array" } } } },
  });
  const put = document.paths["/v1/books/{book_name}"]?.put as { requestBody: unknown };
  expect(JSON.stringify(put.requestBody)).not.toContain('"bookName"');

  const schemas = document.components.schemas;
  expect(schemas["shelf.v1.Kind"]).toEqual({
    type: "string",
    enum: ["KIND_UNSPECIFIED", "KIND_NOVEL"],
    description: "What a book is.\n\nKIND_NOVEL: Long.",
  });
  expect(schemas["shelf.v1.Book"]).toMatchObject({
    description: "A book, with the books it cites.\n\nAt most one of room, map.",
    required: ["bookName"],
    properties: {
      kind: { $ref: "#/components/schemas/shelf.v1.Kind", description: "How it is kept.", readOnly: true },
      pages: { type: "string", format: "uint64" },
      cited: { type: "array", items: { $ref: "#/components/schemas/shelf.v1.Book" } },
      at: { type: "string", format: "date-time" },
      count: { type: "string", format: "int64" },
      map: { contentEncoding: "base64", deprecated: true },
    },
  });
});
