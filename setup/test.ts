import { check, type Tally, vitest, wasInterrupted } from "./checks.ts";
import { chromiumForTests } from "./chromium.ts";
import { dockerForTests } from "./docker.ts";

import { needTool } from "./install.ts";
import { namespacesForTests } from "./network.ts";
import { generatePackages } from "./packages.ts";
import { generateProtos } from "./protos.ts";
import { prepareSite } from "./site.ts";

/**
 * `npm test`: the tools, the checks of format, types and contracts, and all tests. The last line is
 * "N passed, N failed".
 *
 * @param args more arguments of vitest, such as a folder; with any, the checks are left out.
 */
export async function test(args: readonly string[]): Promise<void> {
  const tally: Tally = { passed: 0, failed: 0, leftOut: [], secondTry: [] };
  await generateProtos();
  const envoy = await needTool("envoy");
  const consul = await needTool("consul");
  const otelcol = await needTool("otelcol");
  const rclone = await needTool("rclone");
  await generatePackages();
  await prepareSite();
  const chromium = await chromiumForTests();
  const noHosts = await namespacesForTests();
  const docker = await dockerForTests();
  try {
    if (args.length === 0) {
      await check("contracts (buf lint)", ["buf", "lint"], tally);
      await check("format and lint (biome)", ["biome", "check", "."], tally);
      await check("types (tsc)", ["tsc", "--noEmit"], tally);
    }
    const env = {
      ...process.env,
      ENVOY_BIN: envoy,
      CONSUL_BIN: consul,
      OTELCOL_BIN: otelcol,
      RCLONE_BIN: rclone,
      ...(chromium === undefined ? {} : { CHROMIUM_BIN: chromium }),
      ...(docker?.host === undefined ? {} : { DOCKER_HOST: docker.host }),
    };
    await vitest(args, env, tally);
  } finally {
    await docker?.stop();
  }
  const { secondTry } = tally;
  if (secondTry.length > 0)
    console.log(`\nPassed on the second try only:\n${secondTry.map((name) => `  ${name}`).join("\n")}`);
  tellLeftOut(tally, { docker: docker !== undefined, chromium: chromium !== undefined, noHosts });
  console.log(`${tally.passed} passed, ${tally.failed} failed`);
  process.exitCode = tally.failed === 0 && tally.passed > 0 && !wasInterrupted() ? 0 : 1;
}

function tellLeftOut(
  { leftOut }: Tally,
  has: { readonly docker: boolean; readonly chromium: boolean; readonly noHosts: string | undefined },
): void {
  console.log("");
  if (!has.docker)
    console.log(
      "No Docker engine answers, so tests of the docker runtime were left out: start one, or set DOCKER_HOST.",
    );
  if (!has.chromium)
    console.log(
      "No Chromium was found, so tests in a browser were left out: install one, or set CHROMIUM_BIN.",
    );
  if (has.noHosts !== undefined)
    console.log(
      `No network namespaces can be made (${has.noHosts}), so tests of several hosts were left out: run them as root, with iproute2.`,
    );
  if (leftOut.length > 0) console.log(`Left out:\n${leftOut.map((name) => `  ${name}`).join("\n")}`);
}
