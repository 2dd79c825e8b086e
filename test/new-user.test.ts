import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chromiumPath, startChromium, type TestBrowser } from "./support/chromium.ts";
import { startMesh, type TestMesh } from "./support/mesh.ts";
import { root, rouse, rouseOk } from "./support/rouse.ts";

const service = "gene_finder.v1.GeneFinderService";

describe.skipIf(chromiumPath === undefined)("a new user's way", () => {
  let mesh: TestMesh;
  let chromium: TestBrowser;
  let home: string;
  let env: NodeJS.ProcessEnv;

  beforeAll(async () => {
    mesh = await startMesh({ runtime: "process", args: ["--open-registration"] });
    chromium = await startChromium();
    home = await mkdtemp(join(tmpdir(), "rouse-new-user-"));
    // Somebody who may not read the mesh's own key: nothing but addresses and what they are given.
    env = { HOME: home, XDG_CONFIG_HOME: join(home, ".config"), ROUSE_DATA: join(home, "nothing") };
  });
  afterAll(async () => {
    await chromium?.close();
    await mesh?.close();
    if (home !== undefined) await rm(home, { recursive: true, force: true });
  });

  test("from `rouse provider create` to a service on the site that is called, counted and seen", async () => {
    const registry = ["--registry", mesh.registry];
    const dir = join(home, "gene-finder");

    const made = await rouseOk(
      ["provider", "create", "ada", "--contact", "ada@example.org", ...registry],
      env,
    );
    expect(made).toMatch(/^rouse_\S+$/m);
    await rouseOk(["new", "gene-finder", "--dir", dir, "--owner", "ada@example.org"], env);
    // What `npm install` does for the package.
    await mkdir(join(dir, "node_modules"), { recursive: true });
    await symlink(root, join(dir, "node_modules", "rouse"));
    expect(await rouseOk(["register", "--dir", dir, ...registry], env)).toContain(service);

    // Nobody else may touch it.
    const other = { ...env, XDG_CONFIG_HOME: join(home, "other") };
    await rouseOk(["provider", "create", "eve", "--contact", "eve@example.org", ...registry], other);
    const refused = await rouse(["deprecate", service, "0.1.0", "--reason", "mine", ...registry], other);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("NOT_YOUR_SERVICE") });

    // A colleague finds it on the site, misspelt, and tries it; the first call wakes it.
    const page = await chromium.browser.newPage({ viewport: { width: 1280, height: 900 } });
    await page.goto(`http://${mesh.edge}/`);
    await page.getByRole("searchbox").fill("gene fnider");
    await page.locator(".hit > a", { hasText: service }).click();
    const badge = page.locator(".title .badge").first();
    await expect.poll(() => badge.textContent(), { timeout: 30_000 }).toBe("cold");
    await page.goto(`http://${mesh.edge}/services/${service}/try?method=Greet`);
    await page.getByRole("textbox", { name: /^name/ }).fill("Ada");
    await page.getByRole("button", { name: /^Call/ }).click();
    await page.getByRole("region", { name: "Result" }).getByText("Hello, Ada!").waitFor({ timeout: 60_000 });
    await expect.poll(() => badge.textContent(), { timeout: 30_000 }).toBe("warm");

    // And the provider sees that it was used.
    await expect
      .poll(() => rouseOk(["usage", service, "--json", "--data", mesh.data]), { timeout: 60_000 })
      .toMatch(/"calls": ?1\b/);
  });
});
