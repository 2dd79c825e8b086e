import { credentials, Metadata } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ProvidersClient } from "#proto/rouse/registry/v1/providers.ts";
import { RegistryClient } from "#proto/rouse/registry/v1/registry.ts";
import { unary } from "../../sdk/grpc.ts";
import { hashKey } from "../access.ts";
import { readHistory } from "../history/index.ts";
import { listKeys } from "../kv.ts";
import { lookOf, looksOf } from "../look-alike.ts";
import { putBundle } from "../publish.ts";
import { failure, type Rig, startRig } from "../testing/rig.ts";
import { type SampleOptions, sampleManifest, sampleRequest } from "../testing/sample.ts";

let rig: Rig;
let admin: ProvidersClient;
beforeAll(async () => {
  rig = await startRig();
  admin = rig.connect(ProvidersClient, rig.key);
});
afterAll(() => rig?.close());

async function create(id: string, name = "", contact = ""): Promise<string> {
  return (await unary(admin, "createProvider", { id, name, contact })).key;
}

const register = (key: string | undefined, sample: SampleOptions, tags: string[] = []) =>
  unary(rig.connect(RegistryClient, key), "registerVersion", sampleRequest(sampleManifest(sample), { tags }));

describe("providers and keys", () => {
  test("a key is shown once, kept as a hash, and says who it is", async () => {
    const { provider, key } = await unary(admin, "createProvider", {
      id: "acme",
      name: "Acme Genomics",
      contact: "help@example.org",
    });
    expect(key).toMatch(/^rouse_[0-9a-f]{12}_[\w-]{43}$/);
    const [, keyId = ""] = key.split("_");
    expect(provider).toMatchObject({
      id: "acme",
      name: "Acme Genomics",
      keys: [{ id: keyId, revokedAtMs: 0 }],
    });
    const whose = rig.connect(ProvidersClient, key);
    expect(await unary(whose, "whoAmI", {})).toEqual({ provider: "acme", administrator: false, keyId });
    expect(await unary(admin, "whoAmI", {})).toEqual({ provider: "", administrator: true, keyId: "admin" });
    const all = (await listKeys(rig.kv, "rouse/")).map(({ Value }) =>
      Buffer.from(Value ?? "", "base64").toString(),
    );
    expect(all.some((value) => value.includes(key))).toBe(false);
    expect(all.some((value) => value.includes(hashKey(key)))).toBe(true);
  });

  test("only the administrator makes providers, unless registration is open", async () => {
    const key = await create("closed-one");
    for (const callers of [undefined, key]) {
      const error = await failure(
        unary(rig.connect(ProvidersClient, callers), "createProvider", {
          id: "closed-two",
          name: "",
          contact: "",
        }),
      );
      expect(error).toMatchObject({ status: "PERMISSION_DENIED", reason: "REGISTRATION_CLOSED" });
      expect(error.message).toContain("let the mesh be started with --open-registration");
    }
    const open = await startRig({ openRegistration: true });
    try {
      const nobody = open.connect(ProvidersClient, undefined);
      const made = await unary(nobody, "createProvider", { id: "self-made", name: "", contact: "" });
      const client = open.connect(RegistryClient, made.key);
      await unary(client, "registerVersion", sampleRequest(sampleManifest({ service: "open.v1.S" })));
      const mounting = sampleRequest(sampleManifest({ service: "open.v1.M" }), {
        mounts: [{ source: "/etc/hosts", target: "" }],
      });
      const denied = await failure(unary(client, "registerVersion", mounting));
      expect(denied).toMatchObject({ status: "PERMISSION_DENIED", reason: "MOUNT_DENIED" });
      expect(denied.message).toContain("/etc/hosts would show a file of the hosts.");
      expect(await unary(open.client, "registerVersion", mounting)).toMatchObject({ created: true });
      const { providers } = await unary(nobody, "listProviders", {});
      expect(providers).toMatchObject([
        { id: "self-made", name: "self-made", keys: [], services: ["open.v1.S"] },
      ]);
    } finally {
      await open.close();
    }
  });

  test("a revoked key is refused from the very next call; the others stay good", async () => {
    const key = await create("revoked");
    const [, keyId = ""] = key.split("_");
    const own = rig.connect(ProvidersClient, key);
    const second = await unary(own, "createKey", { provider: "revoked" });
    expect(await register(key, { service: "revoked.v1.S" })).toMatchObject({ created: true });
    await unary(rig.connect(ProvidersClient, second.key), "revokeKey", { provider: "revoked", keyId });
    const error = await failure(register(key, { service: "revoked.v1.S", version: "1.1.0" }));
    expect(error).toMatchObject({ status: "UNAUTHENTICATED", reason: "KEY_INVALID" });
    expect(await register(second.key, { service: "revoked.v1.S", version: "1.1.0" })).toMatchObject({
      created: true,
    });
    // Again is no error, and the time of the first stays.
    const listed = async () =>
      (await unary(admin, "listProviders", {})).providers.find(({ id }) => id === "revoked");
    const before = await listed();
    await unary(admin, "revokeKey", { provider: "revoked", keyId });
    expect(await listed()).toEqual(before);
    expect(before?.keys.map((one) => one.revokedAtMs > 0)).toEqual([true, false]);
  });

  test("whoever guesses learns nothing: unknown, wrong, revoked and malformed keys get the same answer", async () => {
    const key = await create("guessed");
    const [, keyId = ""] = key.split("_");
    await unary(admin, "revokeKey", { provider: "guessed", keyId });
    const wrong = `${key.slice(0, -1)}${key.endsWith("A") ? "B" : "A"}`;
    const unknown = `rouse_000000000000_${"A".repeat(43)}`;
    const answers = await Promise.all(
      [key, wrong, unknown, "rouse_x_y", "%", rig.key.slice(0, -1), "a".repeat(4_000)].map(async (guess) => {
        const error = await failure(unary(rig.connect(ProvidersClient, guess), "whoAmI", {}));
        return `${error.status} ${error.reason} ${error.message}`;
      }),
    );
    expect(new Set(answers).size).toBe(1);
    expect(answers[0]).toMatch(/^UNAUTHENTICATED KEY_INVALID This key is not, or no longer, good\. /);
    const none = await failure(unary(rig.connect(ProvidersClient, undefined), "whoAmI", {}));
    expect(none).toMatchObject({ status: "UNAUTHENTICATED", reason: "KEY_MISSING" });
    expect(none.message).toContain('Make a provider with "rouse provider create ID"');
    const basic = new Metadata();
    basic.set("authorization", "Basic abc");
    const bare = new ProvidersClient(rig.registry.address, credentials.createInsecure());
    expect(await failure(unary(bare, "whoAmI", {}, { metadata: basic }))).toMatchObject({
      reason: "KEY_MISSING",
    });
    bare.close();
  });

  test.each([
    ["Acme", "PROVIDER_ID_INVALID", "cannot be a provider's id"],
    ["ab", "PROVIDER_ID_INVALID", "Choose 3 to 40"],
    ["a".repeat(41), "PROVIDER_ID_INVALID", "Choose 3 to 40"],
    ["-abc", "PROVIDER_ID_INVALID", "single hyphens between them"],
    ["a--bc", "PROVIDER_ID_INVALID", "single hyphens between them"],
    ["a/bc", "PROVIDER_ID_INVALID", "cannot be a provider's id"],
    ["аcme", "PROVIDER_ID_INVALID", "cannot be a provider's id"],
    [
      "administrator",
      "PROVIDER_ID_INVALID",
      '"administrator" is a name of the mesh\'s own. Choose another id.',
    ],
  ])("id %j is refused", async (id, reason, message) => {
    const error = await failure(create(id));
    expect(error).toMatchObject({ status: "INVALID_ARGUMENT", reason });
    expect(error.message).toContain(message);
  });

  test("texts that hide something are refused", async () => {
    expect((await failure(create("text-1", "a\u001b[31mb"))).message).toBe(
      "The provider's name holds a control character (U+001B) at character 2; take it out.",
    );
    expect((await failure(create("text-1", "", "\u202egro.elpmaxe"))).message).toBe(
      "The provider's contact holds a character that turns the direction of writing (U+202E) at character 1; take it out.",
    );
    expect((await failure(create("text-1", "\u200b\u2060"))).message).toBe(
      "The provider's name has nothing that can be seen.",
    );
    expect((await failure(create("text-1", "a\nb"))).message).toContain("must be one line");
    expect(await failure(create("text-1", "x".repeat(101)))).toMatchObject({
      reason: "PROVIDER_TEXT_INVALID",
    });
    const { providers } = await unary(admin, "listProviders", {});
    expect(providers.some(({ id }) => id === "text-1")).toBe(false);
  });

  test("nobody can be taken for somebody else, by id or by name", async () => {
    await create("pillow1", "Pillow Makers");
    expect((await failure(create("pillow1"))).message).toContain("There is a provider pillow1 already.");
    for (const [id, name] of [
      ["pillowl", ""],
      ["piilow1", "pillow MAKERS"],
      ["other-a", "РillоwMakers".replace("w", "w ")],
      ["other-b", "PILLOW1"],
      ["other-c", "Pi\u200bllow Makers"],
    ] as const) {
      const error = await failure(create(id, name));
      expect(error, `${id} ${name}`).toMatchObject({ status: "ALREADY_EXISTS", reason: "PROVIDER_TAKEN" });
      expect(error.message).toContain("can be taken for the provider pillow1");
    }
    const both = await Promise.allSettled([create("racing"), create("racing"), create("raclng", "racing")]);
    expect(both.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  test("looks: case, letters, digits and joints", () => {
    for (const [a, b] of [
      ["v1.X", "vl.X"],
      ["O0o", "o0O"],
      ["corn", "com"],
      ["a__b", "a_b"],
      ["wave", "vvave"],
      ["ACME", "АСМЕ"],
    ] as const)
      expect(lookOf(a), `${a} ${b}`).toBe(lookOf(b));
    expect(lookOf("v10.X")).not.toBe(lookOf("v1.X"));
    expect(looksOf("API")).toContain(lookOf("api"));
  });

  test("keys of others cannot be made, seen or revoked", async () => {
    const mine = await create("mine");
    const yours = await create("yours");
    const [, keyId = ""] = yours.split("_");
    const me = rig.connect(ProvidersClient, mine);
    const made = await failure(unary(me, "createKey", { provider: "yours" }));
    expect(made).toMatchObject({ status: "PERMISSION_DENIED", reason: "NOT_YOUR_PROVIDER" });
    expect(made.message).toContain("Your key is mine's");
    expect(await failure(unary(me, "revokeKey", { provider: "yours", keyId }))).toMatchObject({
      reason: "NOT_YOUR_PROVIDER",
    });
    // The key of another provider under one's own name.
    expect(await failure(unary(me, "revokeKey", { provider: "mine", keyId }))).toMatchObject({
      status: "NOT_FOUND",
      reason: "KEY_UNKNOWN",
    });
    expect(await failure(unary(admin, "createKey", { provider: "nobody" }))).toMatchObject({
      reason: "PROVIDER_UNKNOWN",
    });
    const { providers } = await unary(me, "listProviders", {});
    const seen = new Map(providers.map(({ id, keys }) => [id, keys.length]));
    expect([seen.get("mine"), seen.get("yours")]).toEqual([1, 0]);
  });

  test("a provider has a bounded number of good keys", async () => {
    const own = rig.connect(ProvidersClient, await create("many-keys"));
    for (let i = 0; i < 19; i++) await unary(own, "createKey", { provider: "many-keys" });
    const error = await failure(unary(own, "createKey", { provider: "many-keys" }));
    expect(error).toMatchObject({ status: "RESOURCE_EXHAUSTED", reason: "KEYS_FULL" });
    expect(error.message).toContain("rouse provider key revoke many-keys KEY_ID");
  });
});

describe("ownership", () => {
  const service = "owned.v1.S";
  let owner: string;
  let stranger: string;
  beforeAll(async () => {
    owner = await create("owner", "", "owner@example.org");
    stranger = await create("stranger");
    await register(owner, { service }, ["dev"]);
  });

  test("whoever registered first, and the administrator, change a service; others are told whose it is", async () => {
    const other = rig.connect(RegistryClient, stranger);
    const tag = { name: "dev", versions: [] };
    const tries = [
      () => register(stranger, { service, version: "1.1.0" }),
      () => register(stranger, { service }, ["release"]),
      () => unary(other, "setTag", { service, tag }),
      () => unary(other, "removeVersion", { service, version: "1.0.0" }),
      () => unary(other, "deprecateVersion", { service, version: "1.0.0", reason: "mine is better" }),
      () => unary(other, "updateDescription", { service, version: "1.0.0", revision: 1, about: undefined }),
    ];
    for (const attempt of tries) {
      const error = await failure(attempt());
      expect(error).toMatchObject({ status: "PERMISSION_DENIED", reason: "NOT_YOUR_SERVICE" });
      expect(error.message).toBe(
        "owned.v1.S belongs to owner (owner@example.org); your key is stranger's, and only owner and the administrator may change it. Ask them, or register the service under a name of your own.",
      );
    }
    expect((await readHistory({ consul: rig.kv }, service)).map(({ what, by }) => [what, by])).toEqual([
      ["registered", "owner"],
    ]);
    await register(rig.key, { service, version: "1.1.0" });
    await register(owner, { service, version: "1.2.0" });
  });

  test("each call that changes something needs a key; reading does not", async () => {
    const nobody = rig.connect(RegistryClient, undefined);
    const tag = { name: "dev", versions: [{ version: "1.0.0", weight: 1 }] };
    for (const attempt of [
      () => register(undefined, { service: "nobody.v1.S" }),
      () => unary(nobody, "setTag", { service, tag }),
      () => unary(nobody, "removeVersion", { service, version: "1.0.0" }),
      () => unary(nobody, "deprecateVersion", { service, version: "1.0.0", reason: "" }),
      () => unary(nobody, "updateDescription", { service, version: "1.0.0", revision: 1, about: undefined }),
      () => putBundle(nobody, new URL(import.meta.url).pathname),
    ])
      expect(await failure(attempt())).toMatchObject({ status: "UNAUTHENTICATED", reason: "KEY_MISSING" });
    expect((await unary(nobody, "listServices", { service })).services).toHaveLength(1);
    expect((await unary(nobody, "listRevisions", { service, version: "1.0.0" })).revisions).toHaveLength(1);
    expect((await unary(nobody, "getManifest", { service, spec: "dev" })).version).toBe("1.0.0");
  });

  test("of two that register the same new service at once, one owns it", async () => {
    const tries = await Promise.allSettled([
      register(owner, { service: "race.v1.S" }),
      register(stranger, { service: "race.v1.S", version: "2.0.0" }),
    ]);
    expect(tries.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(tries.find((one) => one.status === "rejected")?.reason).toMatchObject({
      reason: "NOT_YOUR_SERVICE",
    });
  });

  test("a service stays its owner's when all versions are withdrawn; a name that was mistyped can be left", async () => {
    await register(owner, { service: "left.v1.Sl" });
    await unary(rig.connect(RegistryClient, owner), "removeVersion", {
      service: "left.v1.Sl",
      version: "1.0.0",
    });
    expect(await failure(register(stranger, { service: "left.v1.Sl" }))).toMatchObject({
      reason: "NOT_YOUR_SERVICE",
    });
    expect(await failure(register(stranger, { service: "left.v1.S1" }))).toMatchObject({
      reason: "SERVICE_NAME_TAKEN",
    });
    expect(await register(owner, { service: "left.v1.S1" })).toMatchObject({ created: true });
  });

  test.each(["genome.v1.Reader", "genome.vl.Reader", "genome.v1.READER"])(
    "a name that looks like another's is refused: %s",
    async (name) => {
      if (name === "genome.v1.Reader") await register(owner, { service: name });
      else {
        const error = await failure(register(stranger, { service: name }));
        expect(error).toMatchObject({ status: "ALREADY_EXISTS", reason: "SERVICE_NAME_TAKEN" });
        expect(error.message).toContain("genome.v1.Reader");
        expect((await listKeys(rig.kv, `rouse/catalog/${name}/`)).length).toBe(0);
      }
    },
  );

  test("what the administrator registered is the administrator's", async () => {
    await register(rig.key, { service: "house.v1.S" });
    const error = await failure(register(stranger, { service: "house.v1.S", version: "1.1.0" }));
    expect(error.message).toBe(
      "house.v1.S belongs to the administrator; your key is stranger's, and only the administrator may change it. Ask them, or register the service under a name of your own.",
    );
  });
});
