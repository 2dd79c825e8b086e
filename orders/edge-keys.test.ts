import { credentials, Metadata, Server } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ListOrdersRequest,
  OrdersClient,
  type OrdersServer,
  OrdersService,
} from "#proto/rouse/orders/v1/orders.ts";
import { accessOf } from "../registry/access.ts";
import { ConsulClient } from "../registry/consul.ts";
import { answer } from "../sdk/answer.ts";
import { RouseError } from "../sdk/errors.ts";
import { callError, listen } from "../sdk/grpc.ts";
import { contentKeysAtEdge, keysAtEdge } from "./edge-keys.ts";
import { PROVIDER_HEADER } from "./who.ts";

const ADMIN = "rouse_admin_of-this-test";

describe("a server of orders that is guarded", () => {
  // The administrator's key is known without Consul.
  const consul = new ConsulClient({ address: "127.0.0.1:1" });
  const server = new Server({
    interceptors: [keysAtEdge({ access: accessOf(consul, ADMIN), guarded: true })],
  });
  const seen: Metadata[] = [];
  let client: OrdersClient;
  beforeAll(async () => {
    const answered = answer((_, metadata) => {
      seen.push(metadata);
      return Promise.reject(new RouseError("NOT_FOUND", "asked"));
    });
    const methods = Object.keys(OrdersService).map((name) => [name, answered]);
    server.addService(OrdersService, Object.fromEntries(methods) as OrdersServer);
    client = new OrdersClient(await listen(server, "127.0.0.1:0"), credentials.createInsecure());
  });
  afterAll(() => {
    client.close();
    server.forceShutdown();
    consul.close();
  });

  const metadata = (of: Readonly<Record<string, string>>) => {
    const out = new Metadata();
    for (const [name, value] of Object.entries(of)) out.set(name, value);
    return out;
  };
  const edge = { "x-rouse-edge": "1" };
  const list = (headers: Readonly<Record<string, string>>) =>
    new Promise<RouseError>((resolve) => {
      client.listOrders(ListOrdersRequest.fromPartial({}), metadata(headers), (error) =>
        resolve(callError(error)),
      );
    });
  const get = (headers: Readonly<Record<string, string>>) =>
    new Promise<RouseError>((resolve) => {
      client.getOrder({ id: "x" }, metadata(headers), (error) => resolve(callError(error)));
    });
  const asked = { status: "NOT_FOUND", message: "asked" };

  test("tells a caller at the edge what is free, and what a key is needed for", async () => {
    expect(await list(edge)).toMatchObject({
      status: "UNAUTHENTICATED",
      reason: "KEY_MISSING",
      message: expect.stringMatching(
        /^At the edge of this mesh \(--guard-work\) one may start async calls, and follow .* by their ids\. This call needs a provider's key\./,
      ),
    });
    expect(await list({ ...edge, authorization: "Bearer rouse_admin_guessed" })).toMatchObject({
      status: "UNAUTHENTICATED",
      reason: "KEY_INVALID",
    });
  });

  test("lets pass who brings a key, who knows an id, and who does not come through the edge", async () => {
    expect(await list({ ...edge, authorization: `Bearer ${ADMIN}` })).toMatchObject(asked);
    expect(await list({})).toMatchObject(asked);
    expect(await get(edge)).toMatchObject(asked);
  });

  test("notes whose key it is, and takes off what callers say of it", async () => {
    const said = { [PROVIDER_HEADER]: "anna" };
    const noted = async (call: Promise<RouseError>) => {
      await call;
      return seen.at(-1)?.get(PROVIDER_HEADER);
    };
    const authorization = `Bearer ${ADMIN}`;
    expect(await noted(list({ ...edge, ...said, authorization }))).toEqual(["administrator"]);
    expect(await noted(get({ ...edge, ...said, authorization }))).toEqual(["administrator"]);
    expect(await noted(get({ ...edge, ...said }))).toEqual([]);
    // Something before the edge may have keys of its own.
    expect(await noted(get({ ...edge, ...said, authorization: "Bearer of-a-proxy" }))).toEqual([]);
    expect(await noted(list(said))).toEqual([]);
  });
});

describe("contents over HTTP that are guarded", () => {
  const consul = new ConsulClient({ address: "127.0.0.1:1" });
  afterAll(() => consul.close());
  const guard = contentKeysAtEdge({ access: accessOf(consul, ADMIN), guarded: true });
  const edge = { "x-rouse-edge": "1" };
  const authorization = `Bearer ${ADMIN}`;
  const cookie = `theme=dark; rouse-key=${ADMIN}`;
  const missing = {
    status: "UNAUTHENTICATED",
    reason: "KEY_MISSING",
    message: expect.stringMatching(
      /^At the edge of this mesh \(--guard-work\) .* This call needs a provider's key\./,
    ),
  };

  test.each([
    ["GET", {}],
    ["GET", { ...edge, authorization }],
    ["PUT", { ...edge, authorization }],
    ["GET", { ...edge, cookie }],
    ["HEAD", { ...edge, cookie }],
  ])("%s %j is let pass", async (method, headers) => {
    await guard({ method, headers });
  });

  test.each([
    ["GET", edge],
    ["PUT", edge],
    // A page of others may have made the browser bring it.
    ["PUT", { ...edge, cookie }],
    ["POST", { ...edge, cookie }],
    ["GET", { ...edge, cookie: "rouse-keys=x" }],
  ])("%s %j is refused without a key", async (method, headers) => {
    await expect(guard({ method, headers })).rejects.toMatchObject(missing);
  });

  test("note whose key it is, guarded or not, and take off what callers say of it", async () => {
    const access = accessOf(consul, ADMIN);
    const unguarded = contentKeysAtEdge({ access, guarded: false });
    for (const look of [guard, unguarded]) {
      const headers: Record<string, string> = { ...edge, authorization, [PROVIDER_HEADER]: "anna" };
      await look({ method: "PUT", headers });
      expect(headers[PROVIDER_HEADER]).toBe("administrator");
    }
    const headers: Record<string, string> = {
      ...edge,
      authorization: "Basic of-a-proxy",
      [PROVIDER_HEADER]: "anna",
    };
    await unguarded({ method: "PUT", headers });
    expect(headers).not.toHaveProperty(PROVIDER_HEADER);
  });

  test("a key that is none is told as that", async () => {
    await expect(
      guard({ method: "GET", headers: { ...edge, cookie: "rouse-key=old" } }),
    ).rejects.toMatchObject({
      reason: "KEY_INVALID",
    });
  });
});
