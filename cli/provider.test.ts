import { execFileSync } from "node:child_process";
import { chmodSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readAbout } from "../registry/descriptions/index.ts";
import { type Rig, startRig } from "../registry/testing/rig.ts";
import { root, rouse } from "../test/support/rouse.ts";
import { withoutPassword } from "./git-source.ts";

const service = "probe.v1.ProbeService";
let rig: Rig;
let dir: string;
let env: NodeJS.ProcessEnv;
beforeAll(async () => {
  rig = await startRig();
  dir = await mkdtemp(join(tmpdir(), "rouse-test-provider-"));
  env = { XDG_CONFIG_HOME: join(dir, "config"), ROUSE_DATA: join(dir, "data") };
  await cp(join(root, "test/fixtures/probe"), join(dir, "probe"), { recursive: true });
  for (const made of ["gen", "dist"]) await rm(join(dir, "probe", made), { recursive: true, force: true });
  await mkdir(join(dir, "probe/node_modules"), { recursive: true });
  await symlink(root, join(dir, "probe/node_modules/rouse"));
});
afterAll(async () => {
  await rig?.close();
  await rm(dir, { recursive: true, force: true });
});

async function run(args: string[], more: NodeJS.ProcessEnv = {}): Promise<{ code: number; out: string }> {
  const { code, stdout, stderr } = await rouse([...args, "--registry", rig.registry.address], {
    ...env,
    ...more,
  });
  return { code, out: `${stdout}${stderr}`.trimEnd() };
}

test("from a provider to a described and deprecated service, with the key that the command line keeps", async () => {
  expect(await run(["register", "--dir", join(dir, "probe")])).toMatchObject({
    code: 1,
    out: expect.stringContaining("(UNAUTHENTICATED, KEY_MISSING)"),
  });
  expect((await run(["provider", "create", "acme"])).out).toContain(
    "(PERMISSION_DENIED, REGISTRATION_CLOSED)",
  );

  const made = await run(["provider", "create", "acme", "--contact", "a@example.org"], {
    ROUSE_KEY: rig.key,
  });
  const file = join(dir, "config/rouse/keys.json");
  const key = /^rouse_\S+$/m.exec(made.out)?.[0] ?? "";
  expect(made.out).toContain(`kept in ${file}`);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(JSON.parse(await readFile(file, "utf8"))).toEqual({
    [rig.registry.address]: { use: "acme", keys: { acme: key } },
  });
  const keyId = key.split("_")[1] ?? "";
  expect((await run(["provider", "whoami"])).out).toBe(`acme (key ${keyId}, from ${file})`);

  // A checkout that is not all committed, with a password in its remote.
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", join(dir, "probe"), ...args], { stdio: "pipe" });
  git("init", "--quiet", "--initial-branch", "main");
  git(
    "-c",
    "user.name=t",
    "-c",
    "user.email=t@example.org",
    "commit",
    "--quiet",
    "--allow-empty",
    "-m",
    "first",
  );
  git("remote", "add", "origin", "https://user:secret@example.org/probe.git");
  expect((await run(["register", "--dir", join(dir, "probe")])).out).toContain(`registered ${service} 1.0.0`);
  const known = await readAbout({ consul: rig.kv }, service, "1.0.0");
  expect(known).toMatchObject({ registeredBy: "acme", revision: 1 });
  expect(known?.source).toMatchObject({ repository: "https://example.org/probe.git", ref: "main (changed)" });
  expect(known?.source?.commit).toMatch(/^[0-9a-f]{40}$/);

  expect((await run(["describe", service, "--set", "purpose=To probe.", "--set", "keywords=a, b"])).out).toBe(
    `${service} 1.0.0 is described anew (revision 2)`,
  );
  const editor = join(dir, "editor.sh");
  await writeFile(editor, '#!/bin/sh\nsed -i "s/To probe/To look/" "$1"\n');
  chmodSync(editor, 0o755);
  expect((await run(["describe", service, "--edit"], { EDITOR: editor, VISUAL: "" })).out).toContain(
    "(revision 3)",
  );
  expect((await run(["describe", service, "--edit"], { EDITOR: "true", VISUAL: "" })).out).toBe(
    "nothing was changed",
  );
  const shown = await run(["describe", service]);
  expect(shown.out).toContain(
    "Why one would use it:\n  To look.\n\nKeywords:\n  a, b\n\nrevision 3, by acme",
  );

  const about = join(dir, "about.json");
  await writeFile(about, (await run(["describe", service, "--json"])).out.replace("To look", "To see"));
  expect((await run(["describe", service, "1.0.0", "--file", about])).out).toContain("(revision 4)");
  expect((await run(["describe", service, "--revisions"])).out.split("\n")).toHaveLength(4);

  expect((await run(["deprecate", service, "1.0.0", "--reason", "use 2"])).out).toBe(
    `${service} 1.0.0 is deprecated: use 2`,
  );
  expect((await run(["deprecate", service, "1.0.0", "--undo"])).out).toBe(
    `${service} 1.0.0 is deprecated no longer`,
  );
  expect((await run(["provider", "list"])).out).toMatch(
    /acme +acme +a@example\.org +[0-9a-f]{12} +probe\.v1/,
  );

  const second = await run(["provider", "key", "create", "--keep"]);
  expect(second.out).toContain("a key of acme, shown this once:\nrouse_");
  expect((await run(["provider", "key", "revoke", "acme", keyId])).out).toBe(
    `the key ${keyId} of acme is good no longer`,
  );
  expect((await run(["provider", "whoami"])).out).not.toContain(keyId);
  const kept = JSON.parse(await readFile(file, "utf8")) as Record<string, { keys: Record<string, string> }>;
  await run([
    "provider",
    "key",
    "revoke",
    "acme",
    kept[rig.registry.address]?.keys.acme?.split("_")[1] ?? "",
  ]);
  expect((await run(["provider", "whoami"])).out).toBe(
    `The key of acme in ${file} is not, or no longer, good at ${rig.registry.address}. Use another one: "rouse provider use", "rouse provider create", or ROUSE_KEY. (UNAUTHENTICATED, KEY_INVALID)`,
  );
  expect((await run(["provider", "use", "administrator"])).out).toContain("as administrator from now on");
  expect((await run(["provider", "whoami"])).out).toContain("KEY_MISSING");
  expect((await run(["provider", "use", "nobody"])).out).toContain("(there: acme)");
});

test.each([
  [
    ["describe", service, "--set", "colour=red"],
    'a description has no field "colour". It has summary, description',
  ],
  [["describe", service, "--set", "summary"], "--set summary is not FIELD=VALUE."],
  [["describe", service, "--set", "links=a,b"], 'links must be a list of {"title": …, "url": …}.'],
  [["describe", service, "--file", "/nowhere.json"], "/nowhere.json cannot be read"],
  [["describe", service, "--edit"], "--edit needs an editor: set VISUAL or EDITOR"],
  [["deprecate", service, "1.0.0"], "Say why by --reason TEXT, or take it back by --undo."],
])("%j says what is wrong", async (args, message) => {
  const { code, out } = await run(args, { EDITOR: "", VISUAL: "" });
  expect(code).toBe(1);
  expect(out).toContain(message);
});

test("a file of keys that cannot be understood is named", async () => {
  const folder = join(dir, "broken/rouse");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "keys.json"), "{");
  const { out } = await run(["provider", "whoami"], { XDG_CONFIG_HOME: join(dir, "broken") });
  expect(out).toContain(`${join(folder, "keys.json")} cannot be understood. Mend it, or remove it.`);
});

test("URLs lose their passwords only", () => {
  expect(withoutPassword("https://u:p@example.org/r")).toBe("https://example.org/r");
  expect(withoutPassword("git@example.org:a/b")).toBe("git@example.org:a/b");
  expect(withoutPassword("/srv/r@1.git")).toBe("/srv/r@1.git");
});

test("the administrator's key goes to one's own mesh only, and helps where the kept key does not do", async () => {
  const data = join(dir, "own");
  const writeMesh = (registry: string) => {
    const names = "edge mesh consul registryHttp control agent orders ordersHttp envoyAdmin".split(" ");
    const others = Object.fromEntries(names.map((name) => [name, "127.0.0.1:9"]));
    const mesh = { ...others, registry, meshSocket: "/nowhere", runtime: "process", pid: process.pid };
    return writeFile(join(data, "mesh.json"), JSON.stringify(mesh));
  };
  await mkdir(join(data, "registry"), { recursive: true });
  await writeFile(join(data, "registry/admin.key"), `${rig.key}\n`);
  const own = { ROUSE_DATA: data, XDG_CONFIG_HOME: join(dir, "own-config") };
  await writeMesh("127.0.0.1:9");
  expect((await run(["provider", "whoami"], own)).out).toContain("KEY_MISSING");
  expect((await run(["provider", "whoami"], { ...own, ROUSE_KEY: "admin" })).out).toContain("KEY_MISSING");

  await writeMesh(rig.registry.address);
  expect((await run(["provider", "whoami"], own)).out).toBe(
    "the administrator (key admin, from the data folder)",
  );
  expect((await run(["provider", "create", "newcomer"], own)).code).toBe(0);
  const { out } = await run(["deprecate", service, "1.0.0", "--reason", "mine is better"], own);
  expect(out).toContain(`${service} belongs to acme (a@example.org); your key is newcomer's`);
  expect(out).toContain(
    "with ROUSE_KEY=admin you act as its administrator. (PERMISSION_DENIED, NOT_YOUR_SERVICE)",
  );
  const asAdmin = { ...own, ROUSE_KEY: "admin" };
  expect((await run(["deprecate", service, "1.0.0", "--reason", "it is old"], asAdmin)).code).toBe(0);
});
