import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium } from "playwright-core";
import { findChromium } from "../../setup/chromium.ts";

/** The Chromium that tests use; undefined where there is none. In CI there must be one. */
export const chromiumPath = findChromium();
if (chromiumPath === undefined && process.env.CI === "true") throw new Error("There is no Chromium.");

const quiet = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** A headless Chromium with a profile of its own. */
export interface TestBrowser {
  readonly browser: Browser;
  close(): Promise<void>;
}

export async function startChromium(): Promise<TestBrowser> {
  const profile = await mkdtemp(join(tmpdir(), "rouse-chromium-"));
  const browser = await chromium.launch({
    executablePath: chromiumPath ?? "",
    args: quiet,
    env: { ...process.env, HOME: profile },
  });
  return {
    browser,
    async close() {
      await browser.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}
