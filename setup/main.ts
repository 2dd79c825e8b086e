// What setup/run.mjs hands over to: Node 24, with the modules there. Errors become one sentence here.
// Its parent may be killed: then it ends too.
delete process.env.ROUSE_SUPERVISED;
process.once("disconnect", () => process.kill(process.pid, "SIGTERM"));
process.channel?.unref();

const [verb = "", ...args] = process.argv.slice(2);

const verbs: Record<string, () => Promise<void>> = {
  start: async () => {
    const { generateProtos } = await import("./protos.ts");
    const { needTool } = await import("./install.ts");
    const { prepareSite } = await import("./site.ts");
    await generateProtos();
    await needTool("envoy");
    await needTool("consul");
    await prepareSite();
    const { main } = await import("../cli/rouse.ts");
    await main(["up", "--examples", ...args]);
  },
  test: async () => {
    const { test } = await import("./test.ts");
    await test(args);
  },
  bench: async () => {
    const { generateProtos } = await import("./protos.ts");
    const { needTool } = await import("./install.ts");
    const { generatePackages } = await import("./packages.ts");
    await generateProtos();
    for (const name of ["envoy", "consul", "ghz"] as const) await needTool(name);
    await generatePackages();
    // It reads its names from the command line.
    process.argv.splice(2, 1);
    await import("../bench/run.ts");
  },
};

try {
  const run = verbs[verb];
  if (run === undefined)
    throw new Error(`setup/run.mjs knows ${Object.keys(verbs).join(", ")}, and not "${verb}".`);
  await run();
} catch (error) {
  const { explain } = await import("../cli/explain.ts");
  console.error(explain(error));
  if (verb === "test") console.log("0 passed, 1 failed");
  process.exitCode = 1;
}
