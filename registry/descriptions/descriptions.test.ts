import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { About } from "#proto/rouse/catalog/v1/catalog.ts";
import { ProvidersClient } from "#proto/rouse/registry/v1/providers.ts";
import { RegistryClient } from "#proto/rouse/registry/v1/registry.ts";
import { RouseError } from "../../sdk/errors.ts";
import { unary } from "../../sdk/grpc.ts";
import { historyStep, readHistory, record } from "../history/index.ts";
import { listKeyNames, transact } from "../kv.ts";
import { failure, type Rig, startRig } from "../testing/rig.ts";
import { sampleManifest, sampleRequest } from "../testing/sample.ts";
import { EMPTY_ABOUT } from "./about.ts";
import { readAbout } from "./index.ts";

let rig: Rig;
let acme: RegistryClient;
beforeAll(async () => {
  rig = await startRig();
  const admin = rig.connect(ProvidersClient, rig.key);
  const { key } = await unary(admin, "createProvider", { id: "acme", name: "", contact: "" });
  acme = rig.connect(RegistryClient, key);
});
afterAll(() => rig?.close());

const context = () => ({ consul: rig.kv });
const version = "1.0.0";

function update(client: RegistryClient, service: string, revision: number, about: Partial<About>) {
  return unary(client, "updateDescription", {
    service,
    version,
    revision,
    about: { ...EMPTY_ABOUT, ...about },
  });
}
const revisions = async (service: string) =>
  (await unary(acme, "listRevisions", { service, version })).revisions;

describe("description", () => {
  test("the contract's and the request's become revision 1, the request's first", async () => {
    const service = "first.v1.S";
    const manifest = sampleManifest(
      { service },
      { about: { purpose: "contract's purpose", license: "MIT", keywords: ["a"] } },
    );
    const source = {
      repository: "https://example.org/r.git",
      ref: "main",
      commit: "a".repeat(40),
      build: "",
    };
    const about = { ...EMPTY_ABOUT, purpose: "request's purpose", contact: "x@example.org" };
    await unary(acme, "registerVersion", sampleRequest(manifest, { about, source }));
    const stored = await readAbout(context(), service, version);
    expect(stored).toMatchObject({
      revision: 1,
      by: "acme",
      registeredBy: "acme",
      source,
      deprecated: "",
      approval: "",
    });
    expect(stored?.about).toEqual({
      ...EMPTY_ABOUT,
      summary: "Says it again.",
      purpose: "request's purpose",
      license: "MIT",
      keywords: ["a"],
      contact: "x@example.org",
    });
    // The same content again changes nothing, whatever it says of itself.
    await unary(acme, "registerVersion", sampleRequest(manifest));
    expect(await revisions(service)).toHaveLength(1);
  });

  test("updates count up, all revisions are kept, and saying the same again is none", async () => {
    const service = "kept.v1.S";
    await unary(acme, "registerVersion", sampleRequest(sampleManifest({ service })));
    expect(await update(acme, service, 1, { summary: "two" })).toEqual({ revision: 2 });
    expect(await update(rig.client, service, 2, { summary: "three" })).toEqual({ revision: 3 });
    expect(await update(acme, service, 3, { summary: "three" })).toEqual({ revision: 3 });
    expect(
      (await revisions(service)).map(({ revision, by, about }) => [revision, by, about?.summary]),
    ).toEqual([
      [3, "administrator", "three"],
      [2, "acme", "two"],
      [1, "acme", "Says it again."],
    ]);
  });

  test("a conflict shows both sides", async () => {
    const service = "conflict.v1.S";
    await unary(acme, "registerVersion", sampleRequest(sampleManifest({ service })));
    await update(rig.client, service, 1, { summary: "theirs", purpose: "p", keywords: ["x"] });
    const error = await failure(
      update(acme, service, 1, { summary: "yours", purpose: "p", usage: "u".repeat(500) }),
    );
    expect(error).toMatchObject({ status: "ABORTED", reason: "DESCRIPTION_CONFLICT" });
    expect(error.metadata).toMatchObject({
      revision: "2",
      by: "administrator",
      fields: "summary,usage,keywords",
    });
    expect(error.message).toMatch(
      /^administrator changed the description of conflict\.v1\.S 1\.0\.0 meanwhile \(revision 2, 20\S+Z\); you have seen revision 1\. summary: yours "yours", theirs "theirs"; usage: yours "u{159}…, theirs ""; keywords: yours \[\], theirs \["x"\]\. Read the latest, put your changes into it and send it again with revision 2\.$/,
    );
    expect((await failure(update(acme, service, 9, { summary: "future" }))).message).toContain(
      "has no revision 9: the latest is 2, by administrator",
    );
    expect((await revisions(service))[0]?.about?.summary).toBe("theirs");
  });

  test("of 20 updates at once one wins; and 20 that try again all get in, one revision each", async () => {
    const service = "crowd.v1.S";
    await unary(acme, "registerVersion", sampleRequest(sampleManifest({ service })));
    const all = Array.from({ length: 20 }, (_, i) => i);
    const once = await Promise.allSettled(all.map((i) => update(acme, service, 1, { summary: `once ${i}` })));
    const lost = once.filter((one) => one.status === "rejected");
    expect(lost).toHaveLength(19);
    for (const { reason } of lost) expect(RouseError.from(reason).reason).toBe("DESCRIPTION_CONFLICT");
    await Promise.all(
      all.map(async (i) => {
        for (let seen = 2; ; ) {
          try {
            return await update(acme, service, seen, { summary: `again ${i}` });
          } catch (error) {
            const { reason, metadata } = RouseError.from(error);
            if (reason !== "DESCRIPTION_CONFLICT") throw error;
            seen = Number(metadata.revision);
          }
        }
      }),
    );
    const kept = await revisions(service);
    expect(kept.map(({ revision }) => revision)).toEqual(Array.from({ length: 22 }, (_, i) => 22 - i));
    const again = kept.slice(0, 20).map(({ about }) => about?.summary);
    expect(new Set(again)).toEqual(new Set(all.map((i) => `again ${i}`)));
    const history = await readHistory(context(), service);
    expect(history.filter(({ what }) => what === "updated").map(({ revision }) => revision)).toHaveLength(21);
  });

  test.each([
    [{ purpose: "a\u0000b" }, "purpose: holds a control character (U+0000) at character 2; take it out."],
    [{ usage: "ok\u202edangerous" }, "usage: holds a character that turns the direction of writing (U+202E)"],
    [
      { summary: "two\nlines" },
      "summary: holds a line break or tab (U+000A) at character 4; it must be one line.",
    ],
    [{ workflow: "x".repeat(20_001) }, "workflow: has more than 20000 characters; shorten it."],
    [{ links: [{ title: "x", url: "javascript:alert(1)" }] }, "links.0.url: must be an http or https URL"],
    [
      { links: [{ title: "x", url: "https://u:p@example.org/" }] },
      "links.0.url: must be an http or https URL without a",
    ],
    [
      { links: [{ title: "x", url: 'https://example.org/"><script>' }] },
      "links.0.url: must be an http or https URL",
    ],
    [{ license: "do what you like" }, "license: must be an SPDX expression"],
    [{ keywords: Array.from({ length: 31 }, () => "k") }, "keywords: has more than 30 entries."],
    [{ parameters: [{ name: "", description: "", required: false }] }, "parameters.0.name: is empty."],
    [
      { description: "d".repeat(90_000), purpose: "p".repeat(19_000), usage: "u".repeat(19_000) },
      "bytes in all; 120000 are kept. Shorten it",
    ],
  ] satisfies [Partial<About>, string][])("%# is refused with its field", async (about, message) => {
    const service = "refused.v1.S";
    await unary(acme, "registerVersion", sampleRequest(sampleManifest({ service })));
    const error = await failure(update(acme, service, 1, about));
    expect(error).toMatchObject({ status: "INVALID_ARGUMENT", reason: "ABOUT_INVALID" });
    expect(error.message).toContain(message);
    expect(await revisions(service)).toHaveLength(1);
  });

  test("HTML is kept as the text that it is", async () => {
    const service = "html.v1.S";
    const evil = `<script>alert(1)</script><img src=x onerror="alert(1)">`;
    const about = { ...EMPTY_ABOUT, summary: evil, description: `# ${evil}\n\n[a](javascript:alert(1))` };
    await unary(acme, "registerVersion", sampleRequest(sampleManifest({ service }), { about }));
    expect((await readAbout(context(), service, version))?.about).toEqual(about);
  });
});

describe("deprecation and withdrawal", () => {
  test("are recorded, and what was known of a version stays", async () => {
    const service = "life.v1.S";
    const request = sampleRequest(sampleManifest({ service }), { tags: ["dev"] });
    await unary(acme, "registerVersion", request);
    await unary(acme, "deprecateVersion", { service, version, reason: " use 2.0.0 " });
    expect((await readAbout(context(), service, version))?.deprecated).toBe("use 2.0.0");
    await unary(acme, "deprecateVersion", { service, version, reason: "" });
    expect((await readAbout(context(), service, version))?.deprecated).toBe("");
    expect(await failure(unary(acme, "removeVersion", { service, version }))).toMatchObject({
      reason: "VERSION_TAGGED",
    });
    await unary(acme, "setTag", { service, tag: { name: "dev", versions: [] } });
    await update(acme, service, 1, { summary: "last words" });
    await unary(acme, "removeVersion", { service, version });
    expect(await failure(update(acme, service, 2, {}))).toMatchObject({ reason: "SERVICE_UNKNOWN" });
    expect((await readAbout(context(), service, version))?.withdrawn?.by).toBe("acme");
    expect(await revisions(service)).toHaveLength(2);
    // It comes back and goes on counting.
    await unary(acme, "registerVersion", request);
    const back = await readAbout(context(), service, version);
    expect(back).toMatchObject({ revision: 3, deprecated: "" });
    expect(back?.withdrawn).toBeUndefined();
    expect((await revisions(service)).map(({ about }) => about?.summary)).toEqual([
      "Says it again.",
      "last words",
      "Says it again.",
    ]);
    const history = await readHistory(context(), service);
    expect(history.map(({ what, detail, tag }) => [what, tag, detail])).toEqual([
      ["registered", "", "with the tags dev"],
      ["withdrawn", "", ""],
      ["updated", "", "description: summary"],
      ["tagged", "dev", "names nothing, before 1.0.0"],
      ["deprecation taken back", "", ""],
      ["deprecated", "", "use 2.0.0"],
      ["registered", "", "with the tags dev"],
    ]);
  });

  test("what is wrong is named", async () => {
    const service = "wrong.v1.S";
    await unary(acme, "registerVersion", sampleRequest(sampleManifest({ service })));
    const missing = { service, version: "9.9.9" };
    expect(await failure(unary(acme, "deprecateVersion", { ...missing, reason: "x" }))).toMatchObject({
      status: "NOT_FOUND",
      reason: "VERSION_UNKNOWN",
    });
    expect(await failure(unary(acme, "listRevisions", missing))).toMatchObject({ reason: "VERSION_UNKNOWN" });
    expect(
      await failure(unary(acme, "updateDescription", { ...missing, revision: 1, about: undefined })),
    ).toMatchObject({ reason: "VERSION_UNKNOWN" });
    const long = await failure(
      unary(acme, "deprecateVersion", { service, version, reason: "x".repeat(1_001) }),
    );
    expect(long).toMatchObject({ status: "INVALID_ARGUMENT", reason: "REASON_INVALID" });
    expect(long.message).toBe("The reason has 1001 characters; keep it to 1000.");
  });

  test.each([
    [{ repository: "https://user:secret@example.org/r" }, "source.repository holds a password"],
    [{ commit: "HEAD" }, 'source.commit "HEAD" is no commit of 40 hex digits'],
    [{ ref: "a\nb" }, "source.ref holds a line break"],
    [{ ref: "r".repeat(201) }, "source.ref has more than 200 characters"],
  ])("source %j is refused", async (part, message) => {
    const source = { repository: "", ref: "", commit: "", build: "", ...part };
    const error = await failure(
      unary(acme, "registerVersion", sampleRequest(sampleManifest({ service: "source.v1.S" }), { source })),
    );
    expect(error).toMatchObject({ status: "INVALID_ARGUMENT", reason: "SOURCE_INVALID" });
    expect(error.message).toContain(message);
    expect(await listKeyNames(rig.kv, "rouse/catalog/source")).toEqual([]);
  });
});

test("history is kept in order, and bounded", async () => {
  const service = "long.v1.S";
  const old = Array.from({ length: 1_100 }, (_, i) =>
    historyStep({ service, by: "acme", what: `event ${i}` }, i),
  );
  for (let at = 0; at < old.length; at += 100) await transact(rig.kv, old.slice(at, at + 100));
  await Promise.all([1, 2, 3].map((i) => record(context(), { service, by: "acme", what: `new ${i}` })));
  const names = await listKeyNames(rig.kv, `rouse/history/${service}/`);
  expect(names.length).toBeLessThanOrEqual(1_064);
  const newest = await readHistory(context(), service, 4);
  expect(
    newest
      .slice(0, 3)
      .map(({ what }) => what)
      .sort(),
  ).toEqual(["new 1", "new 2", "new 3"]);
  expect(newest[3]?.what).toBe("event 1099");
});
