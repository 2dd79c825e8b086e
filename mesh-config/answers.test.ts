import { status } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { callError } from "../sdk/grpc.ts";
import type { EchoClient } from "./testing/echo.ts";
import { startRig, type TestRig } from "./testing/rig.ts";
import { instance, manifest, version } from "./testing/state.ts";

const service = "echo.v1.EchoService";
let rig: TestRig;

beforeAll(async () => {
  rig = await startRig({
    prepare: (mesh) => {
      for (const number of ["1.0.0", "1.4.2", "2.0.0-beta.1"]) mesh.put(version(manifest(service, number)));
      mesh.tag(service, "dev", { "2.0.0-beta.1": 100 });
      mesh.tag(service, "old", { "0.1.0": 100 });
      mesh.put(version(manifest("vault.v1.Vault", "1.0.0", { exposure: "internal" })));
      mesh.put(version(manifest("early.v1.Early", "0.1.0-a.1")));
    },
  });
  for (const number of ["1.0.0", "1.4.2", "2.0.0-beta.1"]) {
    const echo = await rig.echo(service, number);
    rig.mesh.change(service, number, (state) => ({
      ...state,
      instances: [instance(number, 1, echo.address)],
    }));
  }
  const vault = await rig.echo("vault.v1.Vault", "vault");
  rig.mesh.change("vault.v1.Vault", "1.0.0", (state) => ({
    ...state,
    instances: [instance("v", 1, vault.address)],
  }));
  await rig.inner.echo("vault.v1.Vault");
});
afterAll(() => rig.close());

test.each([
  [undefined, "1.4.2"],
  ["1.0.0", "1.0.0"],
  ["1", "1.4.2"],
  ["1.0", "1.0.0"],
  ["^1.0.0", "1.4.2"],
  ["^1.2.7", "1.4.2"],
  ["~1.0", "1.0.0"],
  ["~1.4.1", "1.4.2"],
  ["dev", "2.0.0-beta.1"],
  ["2.0.0-beta.1", "2.0.0-beta.1"],
  ["^2.0.0-alpha", "2.0.0-beta.1"],
])("rouse-version: %s is answered by %s", async (spec, expected) => {
  const options = spec === undefined ? {} : { version: spec };
  expect(await rig.client.echo(service, "hi", options)).toEqual({ text: `${expected}:hi` });
});

async function refused(client: EchoClient, name: string, spec?: string) {
  const answer = await client.echo(name, "hi", spec === undefined ? {} : { version: spec });
  if (!("error" in answer)) throw new Error(`it was answered: ${answer.text}`);
  return { code: answer.error.code, details: answer.error.details, reason: callError(answer.error).reason };
}

const inventory = "Versions: 1.0.0, 1.4.2, 2.0.0-beta.1. Tags: dev, old.";
const unknownVersion = (spec: string) =>
  `${service} has no version that fits "${spec}". ${inventory} Ask for a version, a line such as 1 or 1.4, a range such as ^1.2.0 or ~1.4, or a tag.`;

test.each(["3", "^1.5.0", "1.0.1", "beta", "latest", "*", ">=1"])("%s names no version", async (spec) => {
  expect(await refused(rig.client, service, spec)).toEqual({
    code: status.NOT_FOUND,
    details: unknownVersion(spec),
    reason: "VERSION_UNKNOWN",
  });
});

test("a tag without a version says so", async () => {
  expect(await refused(rig.inner, service, "old")).toEqual({
    code: status.NOT_FOUND,
    details: `The tag "old" of ${service} points to no version that is registered. ${inventory}`,
    reason: "VERSION_UNKNOWN",
  });
});

test("a service with neither a release tag nor a stable version wants one named", async () => {
  expect(await refused(rig.client, "early.v1.Early")).toEqual({
    code: status.NOT_FOUND,
    details:
      'early.v1.Early has neither a tag "release" nor a stable version, so a call must name a version in the header rouse-version. Versions: 0.1.0-a.1.',
    reason: "VERSION_UNKNOWN",
  });
});

test("an unknown service is told of those that there are", async () => {
  expect(await refused(rig.inner, "echo.v1.Ecko")).toEqual({
    code: status.NOT_FOUND,
    details: `No service of this name. There are: early.v1.Early, ${service}, vault.v1.Vault. Check the name; a new service is added with "rouse register".`,
    reason: "SERVICE_UNKNOWN",
  });
});

test("an internal service is unknown outside", async () => {
  expect(await refused(rig.client, "vault.v1.Vault")).toEqual({
    code: status.NOT_FOUND,
    details: `No service of this name that is called from outside the mesh. There are: early.v1.Early, ${service}. Check the name; a new service is added with "rouse register", and its contract must say exposure: EXPOSURE_EXTERNAL.`,
    reason: "SERVICE_UNKNOWN",
  });
});

const frame = (text: string) => Buffer.concat([Buffer.from([0, 0, 0, 0, text.length]), Buffer.from(text)]);

function web(path: string, headers: Record<string, string> = {}) {
  return fetch(`http://${rig.edge}${path}`, {
    method: "POST",
    headers: {
      "content-type": "application/grpc-web+proto",
      "x-grpc-web": "1",
      origin: "http://a.example",
      ...headers,
    },
    body: frame("web"),
  });
}

test("a browser's call is answered", async () => {
  const response = await web(`/${service}/Echo`, { "rouse-version": "1.0.0" });
  expect(response.headers.get("content-type")).toBe("application/grpc-web+proto");
  expect(response.headers.get("access-control-allow-origin")).toBe("http://a.example");
  const body = Buffer.from(await response.arrayBuffer());
  expect(body.subarray(0, 14)).toEqual(frame("1.0.0:web"));
  expect(String(body.subarray(19))).toContain("grpc-status:0");
});

test("a browser's call to nothing gets its status and message", async () => {
  const response = await web(`/${service}/Echo`, { "rouse-version": "3" });
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("application/grpc-web+proto");
  expect(await response.text()).toBe("");
  expect(response.headers.get("grpc-status")).toBe(String(status.NOT_FOUND));
  expect(decodeURIComponent(response.headers.get("grpc-message") ?? "")).toBe(unknownVersion("3"));
  expect(response.headers.get("access-control-expose-headers")).toContain("grpc-status-details-bin");
});

test("a browser may ask with any header first", async () => {
  const response = await fetch(`http://${rig.edge}/${service}/Echo`, {
    method: "OPTIONS",
    headers: {
      origin: "http://a.example",
      "access-control-request-method": "POST",
      "access-control-request-headers": "content-type,x-grpc-web,rouse-version,x-session",
    },
  });
  expect(response.status).toBe(200);
  const allowed = response.headers.get("access-control-allow-headers") ?? "";
  for (const name of ["content-type", "x-grpc-web", "grpc-timeout", "rouse-version", "traceparent", "*"]) {
    expect(allowed.split(/, ?/)).toContain(name);
  }
});

test("a failed wake reaches a browser", async () => {
  rig.orchestrator.onWanted = () =>
    rig.mesh.change("early.v1.Early", "0.1.0-a.1", (state) => ({
      ...state,
      activation: {
        generation: 1,
        failure: { status: "UNAVAILABLE", message: "it exited with code 3", retryAtMs: 0 },
      },
    }));
  const response = await web("/early.v1.Early/Echo", { "rouse-version": "0.1.0-a.1" });
  const text = `${response.headers.get("grpc-status")} ${decodeURIComponent(response.headers.get("grpc-message") ?? "")}`;
  expect(text).toBe("14 early.v1.Early 0.1.0-a.1 does not start: it exited with code 3");
});
