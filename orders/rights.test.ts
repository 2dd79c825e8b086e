import { Metadata } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { EDGE_HEADER } from "../mesh-config/resources/registry-routes.ts";
import { RouseError } from "../sdk/errors.ts";
import { type Begun, Rights } from "./rights.ts";
import { PROVIDER_HEADER } from "./who.ts";

const owned: Readonly<Record<string, string>> = { "a.v1.A": "anna", "b.v1.B": "bert" };
const guarded = new Rights({
  ownerOf: async (service) => owned[service],
  servicesOf: async (provider) => Object.keys(owned).filter((service) => owned[service] === provider),
});
const open = new Rights(undefined);

/** @param provider undefined: from within the mesh; empty: without a key. */
function by(provider: string | undefined): Metadata {
  const metadata = new Metadata();
  if (provider !== undefined) metadata.set(EDGE_HEADER, "1");
  if (provider) metadata.set(PROVIDER_HEADER, provider);
  return metadata;
}
const begun = (asker: string, caller = "", ...services: string[]): Begun => ({ asker, caller, services });
const may = (rights: Rights, provider: string | undefined, work: Begun) =>
  rights.check(by(provider), work, "Operation 1").then(
    () => true,
    (thrown) => {
      expect(RouseError.from(thrown)).toMatchObject({
        status: "PERMISSION_DENIED",
        reason: "NOT_YOUR_WORK",
        message: expect.stringMatching(
          /^Operation 1 was asked for with a provider's key\. At the edge .*ROUSE_KEY/,
        ),
      });
      return false;
    },
  );

test.each([
  ["who asked for it", "cleo", begun("cleo", "", "a.v1.A"), true],
  ["another provider", "bert", begun("cleo", "", "a.v1.A"), false],
  ["who brings no key", "", begun("cleo", "", "a.v1.A"), false],
  ["the owner of its service", "anna", begun("cleo", "", "a.v1.A"), true],
  ["the owner of one of its services", "bert", begun("cleo", "", "a.v1.A", "b.v1.B"), true],
  ["the owner of the service that asked", "bert", begun("cleo", "b.v1.B", "a.v1.A"), true],
  ["the administrator", "administrator", begun("cleo", "", "a.v1.A"), true],
  ["who is within the mesh", undefined, begun("cleo", "", "a.v1.A"), true],
  ["who knows the id of what was asked for without a key", "", begun("", "", "a.v1.A"), true],
])("of guarded work %s may see it: %s, %j: %s", async (_, provider, work, expected) => {
  expect(await may(guarded, provider, work)).toBe(expected);
  expect(await may(open, provider, work)).toBe(true);
});

test("a refusal says whose key was given", async () => {
  const refused = guarded.check(by("bert"), begun("cleo"), "Order 2");
  await expect(refused).rejects.toThrow(/your key is bert's/);
  await expect(guarded.check(by(""), begun("cleo"), "Order 2")).rejects.toThrow(/this call brings no key/);
});

test("lists tell a provider of its own work, and others of all", async () => {
  expect(await guarded.scope(by("anna"))).toEqual({ provider: "anna", services: ["a.v1.A"] });
  expect(await guarded.scope(by("administrator"))).toBeUndefined();
  expect(await guarded.scope(by(undefined))).toBeUndefined();
  expect(await guarded.scope(by(""))).toEqual({ provider: "", services: [] });
  expect(await open.scope(by("anna"))).toBeUndefined();
});
