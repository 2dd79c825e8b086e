import { credentials, Metadata, Server } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ListOperationsRequest,
  OperationsClient,
  type OperationsServer,
  OperationsService,
} from "#proto/rouse/orders/v1/operations.ts";
import { answer } from "../sdk/answer.ts";
import { RouseError } from "../sdk/errors.ts";
import { callError, listen } from "../sdk/grpc.ts";
import { foreignPage, refuseForeignPages } from "./foreign-pages.ts";

const page = { edge: true, origin: "http://evil.example", host: "127.0.0.1:8080", site: undefined };

describe("a page of another site", () => {
  test("is told by its origin, and where there is one by what the browser says", () => {
    expect(foreignPage(page)).toBe(true);
    expect(foreignPage({ ...page, site: "cross-site" })).toBe(true);
    expect(foreignPage({ ...page, origin: "null" })).toBe(true);
    expect(foreignPage({ ...page, origin: "http://127.0.0.1:8081" })).toBe(true);
  });

  test("is neither one of the edge, nor a program, nor anybody within the mesh", () => {
    expect(foreignPage({ ...page, origin: "http://127.0.0.1:8080" })).toBe(false);
    expect(foreignPage({ ...page, origin: undefined })).toBe(false);
    expect(foreignPage({ ...page, edge: false })).toBe(false);
    expect(foreignPage({ ...page, origin: "https://mesh.example", site: "same-origin" })).toBe(false);
  });
});

describe("a server", () => {
  const server = new Server({ interceptors: [refuseForeignPages] });
  let client: OperationsClient;
  beforeAll(async () => {
    const answered = answer(() => Promise.reject(new RouseError("NOT_FOUND", "asked")));
    const methods = Object.keys(OperationsService).map((name) => [name, answered]);
    server.addService(OperationsService, Object.fromEntries(methods) as OperationsServer);
    client = new OperationsClient(await listen(server, "127.0.0.1:0"), credentials.createInsecure());
  });
  afterAll(() => {
    client.close();
    server.forceShutdown();
  });

  const metadata = (origin: string) => {
    const out = new Metadata();
    out.set("x-rouse-edge", "1");
    out.set("origin", origin);
    return out;
  };
  const list = (origin: string) =>
    new Promise<RouseError>((resolve) => {
      client.listOperations(ListOperationsRequest.fromPartial({}), metadata(origin), (error) =>
        resolve(callError(error)),
      );
    });
  const get = (origin: string) =>
    new Promise<RouseError>((resolve) => {
      client.getOperation({ id: "x" }, metadata(origin), (error) => resolve(callError(error)));
    });

  test("refuses such a page what others do, and says what it may", async () => {
    expect(await list("http://evil.example")).toMatchObject({
      status: "PERMISSION_DENIED",
      message: expect.stringMatching(
        /^Pages of http:\/\/evil\.example may start async calls .* Host header on\.$/,
      ),
    });
    expect(await list(`http://${client.getChannel().getTarget().replace(/^\w+:/, "")}`)).toMatchObject({
      status: "NOT_FOUND",
    });
  });

  test("lets it follow what it knows the id of", async () => {
    expect(await get("http://evil.example")).toMatchObject({ status: "NOT_FOUND" });
  });
});
