#!/usr/bin/env node
// Runs the command line tool with the project's own Node 24, whichever Node this is.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import * as module from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(import.meta.url);

if (Number(process.versions.node.split(".")[0]) >= 24) {
  // What was compiled once is not compiled again: most of a short command's time.
  module.enableCompileCache();
  const { main } = await import("../rouse.ts");
  await main(process.argv.slice(2));
} else {
  const node = findNode(dirname(here));
  if (node === undefined) {
    console.error('Rouse\'s own Node 24 is not installed: run "npm start" once, which installs it.');
    process.exit(1);
  }
  // By the channel it sees when this process is killed, and ends too.
  const child = spawn(node, [here, ...process.argv.slice(2)], {
    stdio: ["inherit", "inherit", "inherit", "ipc"],
    env: { ...process.env, ROUSE_SUPERVISED: "1" },
  });
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    for (const name of signals) process.removeAllListeners(name);
    process.kill(process.pid, signal);
  });
}

/** node_modules/node/bin/node of the nearest folder above that has one. */
function findNode(folder) {
  const file = join(folder, "node_modules", "node", "bin", "node");
  if (existsSync(file)) return file;
  const parent = dirname(folder);
  return parent === folder ? undefined : findNode(parent);
}
