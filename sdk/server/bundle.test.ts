import { execFile, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { expect, onTestFinished, test } from "vitest";
import { createClient } from "../client/index.ts";
import { startCollector } from "../fixtures/collector.ts";
import { echoDefinition, say } from "../fixtures/echo.ts";

const root = join(import.meta.dirname, "../..");
const banner = [
  'import { createRequire as __rouseRequire } from "node:module";',
  "const require = __rouseRequire(import.meta.url);",
  "const __filename = import.meta.filename, __dirname = import.meta.dirname;",
].join("\n");

test("one file holds all that a service needs: health, reflection, log and traces", async () => {
  const folder = await mkdtemp(join(tmpdir(), "rouse-sdk-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const buf = join(root, "node_modules/.bin/buf");
  const set = join(folder, "set.binpb");
  const run = promisify(execFile);
  await run(buf, ["build", join(root, "sdk/fixtures"), "--as-file-descriptor-set", "--output", set]);
  const source = `
    import { readFileSync } from "node:fs";
    import { bindService } from ${JSON.stringify(join(root, "sdk/server/index.ts"))};
    import { echoDefinition } from ${JSON.stringify(join(root, "sdk/fixtures/echo.ts"))};
    import { echoHandlers } from ${JSON.stringify(join(root, "sdk/fixtures/handlers.ts"))};
    const serve = bindService(echoDefinition, readFileSync(${JSON.stringify(set)}).toString("base64"));
    const write = () => { throw new Error("by accident"); };
    const server = await serve({ ...echoHandlers, write });
    process.send(server.address);
  `;
  await writeFile(join(folder, "main.ts"), source);
  const outfile = join(folder, "app/main.mjs");
  await build({
    entryPoints: [join(folder, "main.ts")],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node24",
    banner: { js: banner },
  });
  const collector = await startCollector();
  onTestFinished(() => collector.close());
  const env = {
    PATH: process.env.PATH,
    ROUSE_LISTEN: "127.0.0.1:0",
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://${collector.address}`,
    OTEL_TRACES_SAMPLER_ARG: "1",
  };
  const child = fork(outfile, { env, stdio: "pipe", cwd: folder });
  onTestFinished(() => void child.kill("SIGKILL"));
  let stderr = "";
  child.stderr?.on("data", (data) => {
    stderr += data;
  });
  const [address] = await once(child, "message");

  using client = createClient(echoDefinition, { target: String(address) });
  expect((await client.say(say("hello"))).text).toBe("you said hello");
  await expect(client.write(say("x"))).rejects.toMatchObject({ reason: "HANDLER_FAILED" });
  const curl = ["curl", "--protocol", "grpc", "--http2-prior-knowledge"];
  const list = await run(buf, [...curl, "--list-methods", `http://${address}`], { cwd: folder });
  expect(list.stdout).toContain("test.echo.v1.Echo/Say");

  child.kill("SIGTERM");
  await once(child, "close");
  expect(JSON.parse(stderr)).toMatchObject({ msg: "A handler failed", err: { message: "by accident" } });
  expect(collector.spans.map(({ name }) => name)).toEqual([
    "test.echo.v1.Echo/Say",
    "test.echo.v1.Echo/Write",
  ]);
});
