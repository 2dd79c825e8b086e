import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CatalogClient } from "#proto/rouse/catalog/v1/catalog.ts";
import { ProvidersClient } from "#proto/rouse/registry/v1/providers.ts";
import { RegistryClient, State } from "#proto/rouse/registry/v1/registry.ts";
import { type PromoteRequest, ReleasesClient, Review_State } from "#proto/rouse/registry/v1/releases.ts";
import { unary } from "../../sdk/grpc.ts";
import { readAbout } from "../descriptions/index.ts";
import type { Manifest } from "../manifest.ts";
import { failure, type Rig, startRig } from "../testing/rig.ts";
import { sampleManifest, sampleRequest } from "../testing/sample.ts";
import { contractManifest } from "./testing/contract.ts";

let rig: Rig;
/** By provider: clients with its key; "" is the administrator. */
const releases = new Map<string, ReleasesClient>();
const registry = new Map<string, RegistryClient>();

beforeAll(async () => {
  rig = await startRig();
  const providers = rig.connect(ProvidersClient, rig.key);
  const keys: [string, string][] = [["", rig.key]];
  for (const id of ["lab-one", "lab-two", "careful", "watchful"]) {
    keys.push([id, (await unary(providers, "createProvider", { id, name: id, contact: "" })).key]);
  }
  for (const [id, key] of keys) {
    releases.set(id, rig.connect(ReleasesClient, key));
    registry.set(id, rig.connect(RegistryClient, key));
  }
  for (const provider of ["careful", "watchful"])
    await unary(as(""), "setReviewer", { provider, reviews: true });
});
afterAll(() => rig?.close());

function as(provider: string): ReleasesClient {
  const client = releases.get(provider);
  if (client === undefined) throw new Error(`no provider ${provider}`);
  return client;
}

const register = (provider: string, manifest: Manifest, tags: string[] = []) =>
  unary(registry.get(provider) ?? rig.client, "registerVersion", sampleRequest(manifest, { tags }));
const promotion = (service: string, version: string, changes: Partial<PromoteRequest> = {}) => ({
  ...{ service, version, tag: "release", message: "", overrideReason: "" },
  ...changes,
});
const setTag = (service: string, name: string, ...versions: string[]) =>
  unary(rig.client, "setTag", {
    service,
    tag: { name, versions: versions.map((version) => ({ version, weight: 1 })) },
  });
const tagged = async (service: string, tag = "release") => {
  const { services } = await unary(rig.client, "listServices", { service });
  return services[0]?.tags.find(({ name }) => name === tag)?.versions.map(({ version }) => version);
};
const history = async (service: string) =>
  (await unary(as(""), "listHistory", { service, limit: 0 })).entries.map(
    ({ by, what, version, tag, detail }) => [by, what, version, tag, detail].join(" | "),
  );

const text = (rpcs: string) => `syntax = "proto3"; package shop.v1;
service Shop { ${rpcs} }
message Request { string text = 1; }
message Response { string text = 1; }`;
const BUY = "rpc Buy(Request) returns (Response);";
const SELL = "rpc Sell(Request) returns (Response);";

/** Versions 1.0.0 with Buy and Sell, and 2.0.0 without Sell, of a service of its own. */
async function shop(name: string, changes: Partial<Manifest> = {}): Promise<string> {
  const service = `${name}.v1.Shop`;
  const files = (rpcs: string) => ({
    "shop.proto": text(rpcs).replace("package shop.v1", `package ${name}.v1`),
  });
  await register("lab-one", await contractManifest(service, "1.0.0", files(BUY + SELL), changes));
  await unary(as("lab-one"), "promote", promotion(service, "1.0.0")).catch(() => undefined);
  await register("lab-one", await contractManifest(service, "2.0.0", files(BUY), changes));
  return service;
}

describe("the gate", () => {
  test("says what breaks, and an override is kept with its reason", async () => {
    const service = await shop("gate");
    const check = await unary(as(""), "checkPromotion", { service, version: "2.0.0", tag: "release" });
    expect(check).toMatchObject({
      against: "1.0.0",
      breaking: true,
      needsReview: false,
      findings: [
        {
          rule: "RPC_NO_DELETE",
          message: "removes `Shop.Sell`, not called in the last 7 days",
          method: "Sell",
        },
      ],
    });
    const error = await failure(unary(as("lab-one"), "promote", promotion(service, "2.0.0")));
    expect(error).toMatchObject({ status: "FAILED_PRECONDITION", reason: "PROMOTION_BREAKS" });
    expect(error.message).toBe(
      `${service} 2.0.0 breaks callers of the tag release, which names 1.0.0: removes \`Shop.Sell\`, not called in the last 7 days. Keep that in the contract, or promote it all the same and say why: rouse promote ${service} 2.0.0 --to release --override REASON`,
    );
    expect(await tagged(service)).toEqual(["1.0.0"]);

    const overrideReason = "Nobody sells any more.";
    const done = await unary(
      as("lab-one"),
      "promote",
      promotion(service, "2.0.0", { overrideReason, message: "Autumn." }),
    );
    expect(done).toMatchObject({
      done: true,
      review: {
        state: Review_State.APPROVED,
        askedBy: "lab-one",
        overrideReason,
        against: "1.0.0",
        findings: [{ method: "Sell" }],
      },
    });
    expect(await tagged(service)).toEqual(["2.0.0"]);
    expect((await unary(as(""), "listReviews", { service, openOnly: false })).reviews[0]).toEqual(
      done.review,
    );
    expect((await history(service))[0]).toBe(
      `lab-one | promoted | 2.0.0 | release | Autumn.; although it breaks callers: ${overrideReason}`,
    );
  });

  test("is not passed by setting the tag, by a registration or by taking the tag away", async () => {
    const service = await shop("around");
    for (const versions of [["2.0.0"], ["1.0.0", "2.0.0"], []])
      expect(await failure(setTag(service, "release", ...versions))).toMatchObject({
        reason: "PROMOTION_BREAKS",
      });
    const files = { "shop.proto": text(BUY).replace("package shop.v1", "package around.v1") };
    const next = await contractManifest(service, "3.0.0", files);
    const refused = await failure(register("lab-one", next, ["release"]));
    expect(refused).toMatchObject({ reason: "PROMOTION_BREAKS" });
    expect(refused.message).toContain("register it without the tag, promote it all the same and say why");
    const { services } = await unary(rig.client, "listServices", { service });
    expect(services[0]?.versions.map(({ version }) => version)).toEqual(["2.0.0", "1.0.0"]);
    expect(await tagged(service)).toEqual(["1.0.0"]);
    // Other tags are their owners' own.
    await setTag(service, "dev", "2.0.0");
    expect(await unary(as("lab-one"), "promote", promotion(service, "2.0.0", { tag: "dev" }))).toEqual({
      done: true,
      review: undefined,
    });
  });

  test("lets weights shift among what has passed it", async () => {
    const service = await shop("weights");
    await unary(as("lab-one"), "promote", promotion(service, "2.0.0", { overrideReason: "Known." }));
    await setTag(service, "release", "1.0.0", "2.0.0");
    await setTag(service, "release", "1.0.0");
    await setTag(service, "release", "2.0.0");
    expect(await tagged(service)).toEqual(["2.0.0"]);
    // A version that was named stays known only as long as it is registered.
    await setTag(service, "release", "1.0.0");
    await unary(rig.client, "removeVersion", { service, version: "2.0.0" });
    const files = { "shop.proto": text(BUY).replace("package shop.v1", "package weights.v1") };
    await register("lab-one", await contractManifest(service, "2.0.0", files, { summary: "Another." }));
    expect(await failure(setTag(service, "release", "2.0.0"))).toMatchObject({ reason: "PROMOTION_BREAKS" });
  });

  test("lets one of two promotions win, and registrations set a bounded number of tags", async () => {
    const service = "two.v1.S";
    for (const version of ["1.0.0", "1.1.0", "1.2.0"])
      await register("lab-one", sampleManifest({ service, version }));
    await unary(as("lab-one"), "promote", promotion(service, "1.0.0"));
    const both = await Promise.allSettled(
      ["1.1.0", "1.2.0"].map((version) => unary(as("lab-one"), "promote", promotion(service, version))),
    );
    for (const result of both)
      if (result.status === "rejected")
        expect(result.reason).toMatchObject({ status: "ABORTED", reason: "TAG_CHANGED" });
    const won = both.findIndex(({ status }) => status === "fulfilled");
    expect(await tagged(service)).toEqual([
      both.every(({ status }) => status === "fulfilled") ? expect.any(String) : ["1.1.0", "1.2.0"][won],
    ]);

    const tags = Array.from({ length: 33 }, (_, i) => `t${i}x`);
    const many = await failure(register("lab-one", sampleManifest({ service, version: "2.0.0" }), tags));
    expect(many).toMatchObject({ reason: "TAG_INVALID" });
    expect(many.message).toContain("33 tags shall name the version; at most 32 are set by a registration.");
    await register("lab-one", sampleManifest({ service, version: "2.0.0" }), tags.slice(1));
  });

  test("compares option values", async () => {
    const manifest = sampleManifest({ service: "options.v1.S" });
    await register("lab-one", manifest, ["release"]);
    await register("lab-one", { ...manifest, version: "1.1.0", exposure: "internal", maxInstances: 2 });
    const { findings } = await unary(as(""), "checkPromotion", {
      service: "options.v1.S",
      version: "1.1.0",
      tag: "release",
    });
    expect(findings.map(({ rule }) => rule)).toEqual(["MANIFEST_EXPOSURE", "MANIFEST_MAX_INSTANCES"]);
    // The tag names nothing yet: nobody follows it.
    expect(
      await unary(as(""), "checkPromotion", { service: "options.v1.S", version: "1.1.0", tag: "beta" }),
    ).toMatchObject({
      against: "",
      findings: [],
      breaking: false,
    });
  });

  test.each<[string, Partial<PromoteRequest>, object, string]>([
    [
      "service",
      { service: "no.v1.Such" },
      { reason: "SERVICE_UNKNOWN" },
      "No service no.v1.Such is registered.",
    ],
    [
      "version",
      { version: "9.0.0" },
      { reason: "VERSION_UNKNOWN" },
      "refused.v1.S has no version 9.0.0. Versions: 1.0.0; tags: none.",
    ],
    ["tag", { tag: "Beta" }, { reason: "TAG_INVALID" }, '"Beta" cannot be a tag'],
    [
      "message",
      { message: "a".repeat(4_001) },
      { reason: "MESSAGE_INVALID" },
      "The message has 4001 characters; at most 4000 are kept.",
    ],
    [
      "no approval",
      { tag: "" },
      { status: "FAILED_PRECONDITION", reason: "APPROVAL_NOT_NEEDED" },
      "refused.v1.S 1.0.0 awaits no approval. Name the tag",
    ],
  ])("refuses a wrong %s", async (_, changes, expected, message) => {
    await register("lab-one", sampleManifest({ service: "refused.v1.S" }));
    const error = await failure(unary(as("lab-one"), "promote", promotion("refused.v1.S", "1.0.0", changes)));
    expect(error).toMatchObject(expected);
    expect(error.message).toContain(message);
  });

  test("takes no one else's word", async () => {
    await register("lab-one", sampleManifest({ service: "owned.v1.S" }));
    for (const call of [
      () => unary(as("lab-two"), "promote", promotion("owned.v1.S", "1.0.0")),
      () => unary(as("lab-two"), "rollback", { service: "owned.v1.S", tag: "release", reason: "x" }),
    ])
      expect(await failure(call())).toMatchObject({
        status: "PERMISSION_DENIED",
        reason: "NOT_YOUR_SERVICE",
      });
    const nobody = rig.connect(ReleasesClient, undefined);
    expect(await failure(unary(nobody, "promote", promotion("owned.v1.S", "1.0.0")))).toMatchObject({
      reason: "KEY_MISSING",
    });
    expect(
      await failure(unary(as("lab-one"), "setReviewer", { provider: "lab-one", reviews: true })),
    ).toMatchObject({
      status: "PERMISSION_DENIED",
      reason: "ADMINISTRATOR_ONLY",
    });
    expect(await failure(unary(as(""), "setReviewer", { provider: "no-such", reviews: true }))).toMatchObject(
      {
        status: "NOT_FOUND",
        reason: "PROVIDER_UNKNOWN",
      },
    );
  });
});

describe("a review", () => {
  const approval = "release" as const;
  const ask = async (service: string, version: string, changes: Partial<PromoteRequest> = {}) => {
    const { done, review } = await unary(as("lab-one"), "promote", promotion(service, version, changes));
    if (done || review === undefined) throw new Error("it should need a review");
    return review;
  };
  const decide = (who: string, id: string, approve = true, message = "Looked at it.") =>
    unary(as(who), "decideReview", { id, approve, message });

  async function sample(service: string): Promise<string> {
    for (const version of ["1.0.0", "1.1.0"])
      await register("lab-one", sampleManifest({ service, version }, { approval }));
    const { id } = await ask(service, "1.0.0");
    await decide("careful", id);
    return service;
  }

  test("is asked for, decided by another, and kept", async () => {
    const service = await sample("review.v1.S");
    expect(await failure(setTag(service, "release", "1.1.0"))).toMatchObject({
      status: "FAILED_PRECONDITION",
      reason: "REVIEW_NEEDED",
    });
    const removal = await failure(setTag(service, "release"));
    expect(removal).toMatchObject({ status: "FAILED_PRECONDITION", reason: "REVIEW_NEEDED" });
    expect(removal.message).toContain("cannot be taken away: calls would follow the highest stable version");
    const { id } = await ask(service, "1.1.0", { message: "Faster." });
    expect(await tagged(service)).toEqual(["1.0.0"]);
    const again = await failure(unary(as("lab-one"), "promote", promotion(service, "1.1.0")));
    expect(again).toMatchObject({ status: "ALREADY_EXISTS", reason: "REVIEW_OPEN" });
    expect(again.message).toContain(`lab-one has asked for this already: review ${id} is open.`);

    const own = await failure(decide("lab-one", id));
    expect(own).toMatchObject({ status: "PERMISSION_DENIED", reason: "OWN_REVIEW" });
    expect(own.message).toBe(
      "lab-one asked for this review itself and cannot decide it. Those who can: the administrator, careful, watchful.",
    );
    expect(await failure(decide("lab-two", id))).toMatchObject({
      status: "PERMISSION_DENIED",
      reason: "NOT_A_REVIEWER",
    });
    expect((await failure(decide("careful", id, true, " "))).message).toBe(
      "A decision needs a reason that is kept. Say why, in a sentence.",
    );
    expect(await failure(decide("careful", "nonsense"))).toMatchObject({
      status: "NOT_FOUND",
      reason: "REVIEW_UNKNOWN",
    });

    const { review } = await decide("careful", id);
    expect(review).toMatchObject({
      id,
      state: Review_State.APPROVED,
      askedBy: "lab-one",
      message: "Faster.",
      decidedBy: "careful",
      decisionMessage: "Looked at it.",
      against: "1.0.0",
    });
    expect(await tagged(service)).toEqual(["1.1.0"]);
    expect((await unary(as(""), "listReviews", { service, openOnly: false })).reviews[0]).toEqual(review);
    expect((await unary(as(""), "listReviews", { service, openOnly: true })).reviews).toEqual([]);
    const told = (await history(service)).slice(0, 3);
    expect(told).toContain("careful | approved | 1.1.0 | release | Looked at it.");
    expect(told).toContain("lab-one | promoted | 1.1.0 | release | Faster.");
    expect(told[2]).toBe("lab-one | asked for a review | 1.1.0 | release | Faster.");
  });

  test("that is denied changes nothing", async () => {
    const service = await sample("denied.v1.S");
    const { id } = await ask(service, "1.1.0");
    expect((await decide("watchful", id, false, "Too slow.")).review).toMatchObject({
      state: Review_State.DENIED,
    });
    expect(await tagged(service)).toEqual(["1.0.0"]);
    // It may be asked for again.
    expect((await ask(service, "1.1.0")).id).not.toBe(id);
  });

  test("is decided once, whoever decides at the same time", async () => {
    const service = await sample("race.v1.S");
    const { id } = await ask(service, "1.1.0");
    const results = await Promise.allSettled([
      decide("careful", id, true, "Good."),
      decide("watchful", id, false, "Bad."),
      decide("", id, true, "Fine."),
    ]);
    const won = results.filter((result) => result.status === "fulfilled");
    expect(won).toHaveLength(1);
    const { decidedBy, decisionMessage, state } = won[0]?.value.review ?? {};
    const how = state === Review_State.APPROVED ? "approved" : "denied";
    for (const result of results) {
      if (result.status === "fulfilled") continue;
      expect(result.reason).toMatchObject({ status: "ABORTED", reason: "REVIEW_DECIDED" });
      expect(result.reason.message).toMatch(
        new RegExp(`^${decidedBy} has ${how} review ${id} at .*: ${decisionMessage}$`),
      );
    }
    expect(await tagged(service)).toEqual([how === "approved" ? "1.1.0" : "1.0.0"]);
  });

  test("does not hold once the tag has moved, and asking again brings it up to date", async () => {
    const service = await sample("outdated.v1.S");
    await register("lab-one", sampleManifest({ service, version: "1.2.0" }, { approval }));
    const [first, second] = [await ask(service, "1.1.0"), await ask(service, "1.2.0")];
    await decide("", first.id);
    const error = await failure(decide("careful", second.id));
    expect(error).toMatchObject({ status: "FAILED_PRECONDITION", reason: "REVIEW_OUTDATED" });
    expect(error.message).toContain(
      `The tag release of ${service} names 1.1.0 now, and named 1.0.0 when review ${second.id} was asked for`,
    );
    expect(await ask(service, "1.2.0")).toMatchObject({ id: second.id, against: "1.1.0" });
    await decide("careful", second.id);
    expect(await tagged(service)).toEqual(["1.2.0"]);
  });

  test("of what breaks callers needs an override, which the reviewer reads", async () => {
    const service = await shop("both", { approval });
    const [open] = (await unary(as(""), "listReviews", { service, openOnly: true })).reviews;
    await decide("", open?.id ?? "");
    expect(await failure(unary(as("lab-one"), "promote", promotion(service, "2.0.0")))).toMatchObject({
      reason: "PROMOTION_BREAKS",
    });
    const review = await ask(service, "2.0.0", { overrideReason: "Agreed with all." });
    expect(review).toMatchObject({
      overrideReason: "Agreed with all.",
      findings: [{ rule: "RPC_NO_DELETE" }],
    });
    await decide("careful", review.id);
    expect(await tagged(service)).toEqual(["2.0.0"]);
  });

  test("ends with the version", async () => {
    const service = await sample("gone.v1.S");
    const { id } = await ask(service, "1.1.0");
    await unary(rig.client, "removeVersion", { service, version: "1.1.0" });
    const error = await failure(decide("careful", id));
    expect(error).toMatchObject({ reason: "REVIEW_DECIDED" });
    expect(error.message).toContain("administrator has denied review");
    expect(error.message).toContain("The version was unregistered.");
  });
});

describe("a version that needs approval", () => {
  const open = async (service: string) =>
    (await unary(as(""), "listReviews", { service, openOnly: true })).reviews;
  const state = async (service: string, version: string) => {
    const { services } = await unary(rig.client, "listServices", { service });
    const found = services[0]?.versions.find((one) => one.version === version);
    return [found?.state, found?.reason];
  };

  test("does not run until it is approved, and its tags cannot be ahead of that", async () => {
    const service = "strict.v1.S";
    const manifest = sampleManifest({ service }, { approval: "running" });
    const early = await failure(register("lab-one", manifest, ["release"]));
    expect(early).toMatchObject({ status: "FAILED_PRECONDITION", reason: "APPROVAL_PENDING" });
    expect(early.message).toContain("Register it without the tag if it is new");
    await register("lab-one", manifest, ["dev"]);
    expect(await state(service, "1.0.0")).toEqual([State.PENDING, "It awaits approval to run."]);
    const [review] = await open(service);
    expect(review).toMatchObject({ version: "1.0.0", tag: "", askedBy: "lab-one" });
    expect(await failure(unary(as("lab-one"), "promote", promotion(service, "1.0.0")))).toMatchObject({
      reason: "APPROVAL_PENDING",
    });

    await unary(as("careful"), "decideReview", { id: review?.id ?? "", approve: false, message: "No." });
    expect(await state(service, "1.0.0")).toEqual([State.PENDING, "It was denied approval to run."]);
    const denied = await failure(setTag(service, "release", "1.0.0"));
    expect(denied).toMatchObject({ status: "PERMISSION_DENIED", reason: "APPROVAL_DENIED" });
    expect((await readAbout({ consul: rig.kv }, service, "1.0.0"))?.approval).toBe("denied");

    const asked = await unary(
      as("lab-one"),
      "promote",
      promotion(service, "1.0.0", { tag: "", message: "Mended." }),
    );
    expect(asked).toMatchObject({ done: false, review: { tag: "", message: "Mended." } });
    await unary(as("careful"), "decideReview", {
      id: asked.review?.id ?? "",
      approve: true,
      message: "Now yes.",
    });
    expect(await state(service, "1.0.0")).toEqual([State.COLD, ""]);
    expect((await readAbout({ consul: rig.kv }, service, "1.0.0"))?.approval).toBe("approved");
    expect((await history(service)).slice(0, 2)).toEqual([
      "careful | approved | 1.0.0 |  | Now yes.",
      "lab-one | asked for approval | 1.0.0 |  | Mended.",
    ]);
  });

  test("is not listed until it is approved, though it runs, when that is all its contract asks", async () => {
    const service = "unlisted.v1.S";
    const catalog = rig.connect(CatalogClient, undefined);
    const search = async () => {
      const request = {
        query: service,
        owner: "",
        tag: "",
        state: "",
        maxCpu: 0,
        maxMemoryBytes: 0,
        gpu: false,
      };
      const { hits } = await unary(catalog, "search", { ...request, limit: 0, offset: 0 });
      return hits.some((hit) => hit.service?.name === service);
    };
    await register("lab-one", sampleManifest({ service }, { approval: "listing" }));
    expect(await state(service, "1.0.0")).toEqual([State.COLD, ""]);
    expect(await search()).toBe(false);
    const [review] = await open(service);
    await unary(as("careful"), "decideReview", { id: review?.id ?? "", approve: true, message: "Yes." });
    await expect.poll(search).toBe(true);
  });

  test("cannot spare itself the approval that the one before asked for", async () => {
    const service = "sticky.v1.S";
    await register("lab-one", sampleManifest({ service }, { approval: "running" }));
    const [first] = await open(service);
    await unary(as("careful"), "decideReview", { id: first?.id ?? "", approve: true, message: "Yes." });
    await register("lab-one", sampleManifest({ service, version: "1.1.0" }));
    expect(await state(service, "1.1.0")).toEqual([State.PENDING, "It awaits approval to run."]);
    // Calls without a version, and the manifest for them, stay with the one that runs.
    expect((await unary(rig.client, "getManifest", { service, spec: "" })).version).toBe("1.0.0");
    expect((await unary(rig.client, "getManifest", { service, spec: "1.1.0" })).version).toBe("1.1.0");
  });

  test("begins anew when it was unregistered", async () => {
    const service = "anew.v1.S";
    await register("lab-one", sampleManifest({ service }, { approval: "running" }));
    const [first] = await open(service);
    await unary(as("careful"), "decideReview", { id: first?.id ?? "", approve: true, message: "Yes." });
    await unary(rig.client, "removeVersion", { service, version: "1.0.0" });
    await register("lab-one", sampleManifest({ service }, { approval: "running", summary: "Other." }));
    expect(await state(service, "1.0.0")).toEqual([State.PENDING, "It awaits approval to run."]);
  });
});

describe("a rollback", () => {
  const rollback = (service: string, tag = "release", reason = "It is slow.") =>
    unary(as("lab-one"), "rollback", { service, tag, reason });

  test("goes back to what the tag named, weights included, and a second one forth again", async () => {
    const service = "back.v1.S";
    await register("lab-one", sampleManifest({ service }), ["release"]);
    await register("lab-one", sampleManifest({ service, version: "2.0.0" }));
    await setTag(service, "release", "1.0.0", "2.0.0");
    await unary(as("lab-one"), "promote", promotion(service, "2.0.0"));
    expect(await rollback(service)).toEqual({ version: "1.0.0=1 2.0.0=1", previous: "2.0.0" });
    expect(await tagged(service)).toEqual(["1.0.0", "2.0.0"]);
    expect(await rollback(service)).toEqual({ version: "2.0.0", previous: "1.0.0=1 2.0.0=1" });
    expect((await history(service))[0]).toBe(
      "lab-one | rolled back | 2.0.0 | release | from 1.0.0=1 2.0.0=1: It is slow.",
    );
    // A tag that was taken away comes back.
    await setTag(service, "release");
    expect(await rollback(service)).toEqual({ version: "2.0.0", previous: "nothing" });
  });

  test("is refused where there is nothing to go back to", async () => {
    const service = "first.v1.S";
    await register("lab-one", sampleManifest({ service }), ["release"]);
    const error = await failure(rollback(service));
    expect(error).toMatchObject({ status: "FAILED_PRECONDITION", reason: "ROLLBACK_IMPOSSIBLE" });
    expect(error.message).toBe(
      `The tag release of ${service} cannot be rolled back: it names 1.0.0, and nothing is known of what it named before. Name a version: rouse promote ${service} VERSION --to release`,
    );
    expect((await failure(rollback(service, "release", ""))).message).toBe(
      "A rollback needs a reason that is kept. Say why, in a sentence.",
    );
    await register("lab-one", sampleManifest({ service, version: "2.0.0" }), ["release"]);
    await unary(rig.client, "removeVersion", { service, version: "1.0.0" });
    expect((await failure(rollback(service))).message).toContain(
      "before its latest change it named 1.0.0, which is not registered any more",
    );
    await register("lab-one", sampleManifest({ service }, { summary: "Another one." }));
    expect((await failure(rollback(service))).message).toContain("1.0.0, which was registered anew since");
  });

  test("needs no gate: what it goes back to may break callers of what was there", async () => {
    const service = await shop("ungated");
    await unary(as("lab-one"), "promote", promotion(service, "2.0.0", { overrideReason: "Known." }));
    expect(await rollback(service)).toEqual({ version: "1.0.0", previous: "2.0.0" });
    expect(await rollback(service)).toEqual({ version: "2.0.0", previous: "1.0.0" });
  });
});
