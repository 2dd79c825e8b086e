import { Server, type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import {
  AgentService,
  type KeepBundlesRequest,
  type KeepBundlesResponse,
} from "#proto/rouse/agent/v1/agent.ts";
import { manifest, TestMesh, version as versionOf } from "../mesh-config/testing/state.ts";
import type { MeshState, VersionState } from "../registry/state.ts";
import { listen } from "../sdk/grpc.ts";
import { bundlesOf, Copies, handedOver, shareOut } from "./copies.ts";
import { Orchestrator } from "./orchestrator.ts";
import { hostState } from "./placement/testing/fleet.ts";

const digest = (n: number) => n.toString(16).padStart(2, "0").repeat(32);

test("each bundle is kept on two hosts, and one that is alone goes on with what it has", () => {
  const digests = Array.from({ length: 100 }, (_, n) => digest(n));
  const shares = shareOut(digests, ["a", "b", "c"]);
  for (const one of digests)
    expect([...shares.values()].filter((kept) => kept.includes(one))).toHaveLength(2);
  for (const kept of shares.values()) expect(kept).toEqual([...kept].sort());
  expect(shareOut(digests, ["a", "b"])).toEqual(
    new Map([
      ["a", digests],
      ["b", digests],
    ]),
  );
  expect(shareOut(digests, ["a"])).toEqual(new Map());
});

test("bundles are those of all versions, each once; images are elsewhere", () => {
  const version = (artifact: VersionState["deployment"]["artifact"]) =>
    ({ deployment: { artifact, env: {}, mounts: [], registeredAtMs: 0 } }) as unknown as VersionState;
  const bundle = (n: number) => version({ kind: "bundle", digest: digest(n) });
  const image = version({ kind: "image", name: "some:1", port: 0, command: [] });
  const services = new Map([
    [
      "a.v1.A",
      {
        versions: new Map([
          ["1.0.0", bundle(7)],
          ["1.0.1", image],
        ]),
      },
    ],
    [
      "b.v1.B",
      {
        versions: new Map([
          ["1.0.0", bundle(3)],
          ["1.0.1", bundle(7)],
        ]),
      },
    ],
  ]);
  expect(bundlesOf({ services } as unknown as MeshState)).toEqual([digest(3), digest(7)]);
});

test("a host gives up what moves to another only when that has it; what is new is kept and what is gone given up at once", () => {
  const digests = Array.from({ length: 40 }, (_, n) => digest(n));
  const before = shareOut(digests, ["a", "b"]);
  expect(handedOver(before, new Map())).toEqual(before);
  const [gone, ...rest] = digests;
  const now = [...rest, digest(99)];
  const shares = shareOut(now, ["a", "b", "c"]);
  const moved = shares.get("c") ?? [];
  expect(moved.length).toBeGreaterThan(0);
  const first = handedOver(shares, before);
  for (const host of ["a", "b"]) {
    const isNew = shares.get(host)?.includes(digest(99)) === true;
    expect(first.get(host)).toEqual(isNew ? now : rest);
    expect(first.get(host)).not.toContain(gone);
  }
  expect(first.get("c")).toEqual(moved);
  expect(handedOver(shares, first)).toEqual(shares);
});

test("a host that is slow keeps nobody from copies of what is registered meanwhile", async () => {
  const told = new Map<string, readonly string[]>();
  const serve = async (host: string) => {
    const server = new Server();
    server.addService(AgentService, {
      keepBundles: (
        { request }: ServerUnaryCall<KeepBundlesRequest, KeepBundlesResponse>,
        answer: sendUnaryData<KeepBundlesResponse>,
      ) => {
        told.set(host, request.digests);
        if (host !== "slow") answer(null, {});
      },
    });
    onTestFinished(() => server.forceShutdown());
    return hostState(host, { address: await listen(server, "127.0.0.1:0") });
  };
  const hosts = [await serve("slow"), await serve("a"), await serve("b")];
  const mesh = new TestMesh();
  const register = (n: number) => {
    const plain = versionOf(manifest("a.v1.A", `1.0.${n}`));
    const artifact = { kind: "bundle" as const, digest: digest(n) };
    mesh.put({ ...plain, deployment: { ...plain.deployment, artifact } });
  };
  for (let n = 0; n < 20; n++) register(n);
  const orchestrator = new Orchestrator({
    id: "a",
    log: pino({ level: "silent" }),
    mesh: {
      current: () => mesh.state,
      hosts: () => hosts,
      updateActivation: () => Promise.reject(new Error("nothing is activated here")),
    },
  });
  onTestFinished(() => orchestrator.close());
  orchestrator.lead(1);
  const copies = new Copies(orchestrator);
  copies.kick();
  await expect.poll(() => [...told.keys()].sort(), { timeout: 60_000 }).toEqual(["a", "b", "slow"]);
  const ofOthers = () => [...(told.get("a") ?? []), ...(told.get("b") ?? [])];
  const slow = told.get("slow");
  register(99);
  copies.kick();
  await expect.poll(ofOthers, { timeout: 60_000 }).toContain(digest(99));
  expect(told.get("slow")).toBe(slow);
});
