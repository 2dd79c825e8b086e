// `npm start`, `npm test` and `npm run bench` begin here. Runs on Node 20 with nothing installed: it brings the modules
// and Node 24, and hands over to setup/main.ts.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { withLock } from "./lock.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, "node_modules");
const node = join(modules, "node", "bin", "node");
const stamp = join(modules, ".rouse-lock-hash");
const lockFile = join(root, "package-lock.json");

try {
  if (Number(process.versions.node.split(".")[0]) < 20)
    throw new Error(
      `Rouse's set-up needs Node 20 or newer, and this is ${process.version}: install a newer Node.`,
    );
  const wait = (owner) => console.error(`Another set-up runs here (process ${owner}); waiting for it …`);
  if (!modulesAreFresh() || nodeVersion() === undefined)
    await withLock(join(root, ".rouse", "setup-lock"), installModules, wait);
  handOver();
} catch (error) {
  console.error(error.message);
  if (process.argv[2] === "test") console.log("0 passed, 1 failed");
  process.exitCode = 1;
}

/** True when node_modules is what package-lock.json says. */
function modulesAreFresh() {
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === lockHash()) return true;
  // npm's own record: somebody has run npm by hand.
  const record = join(modules, ".package-lock.json");
  return existsSync(record) && statSync(record).mtimeMs >= statSync(lockFile).mtimeMs;
}

async function installModules() {
  if (!modulesAreFresh()) {
    console.error("Installing the modules of package-lock.json …");
    // Not "npm ci": it refuses a lock file that lacks other platforms' optional packages.
    const npm = runNpm(["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"], root);
    if (npm.status !== 0)
      throw new Error(`npm could not install the modules (see above): put that right and run it again.`);
    writeFileSync(stamp, lockHash());
  }
  if (nodeVersion() === undefined) installNode();
}

/** The package "node" fetches its program in an install script, which npm may have been told not to run. */
function installNode() {
  const version = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).dependencies.node;
  const name = process.platform === "darwin" && process.arch === "arm64" ? "node-bin" : "node";
  const wanted = `${name}-${process.platform}-${process.arch}`;
  const folder = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "rouse", `node-${version}`);
  console.error(`Installing Node ${version} …`);
  mkdirSync(folder, { recursive: true });
  const flags = ["--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"];
  const npm = runNpm(["install", "--prefix", folder, ...flags, `${wanted}@${version}`], folder);
  const program = join(folder, "node_modules", wanted, "bin", "node");
  if (npm.status === 0 && existsSync(program)) {
    rmSync(node, { force: true });
    mkdirSync(dirname(node), { recursive: true });
    copyFileSync(program, node);
    const link = join(modules, ".bin", "node");
    rmSync(link, { force: true });
    symlinkSync(join("..", "node", "bin", "node"), link);
  }
  if (nodeVersion() === undefined)
    throw new Error(
      `Node ${version} could not be installed from npm's package ${wanted}: install Node 24 and copy it to ${node}.`,
    );
}

function runNpm(args, cwd) {
  return spawnSync("npm", args, {
    cwd,
    stdio: ["ignore", "inherit", "inherit"],
    shell: process.platform === "win32",
  });
}

/** Version of the project's own Node; undefined when it is missing or too old. */
function nodeVersion() {
  if (!existsSync(node)) return undefined;
  const version = spawnSync(node, ["--version"], { encoding: "utf8" }).stdout?.trim() ?? "";
  return Number(/^v(\d+)/.exec(version)?.[1]) >= 24 ? version : undefined;
}

function lockHash() {
  return createHash("sha256").update(readFileSync(lockFile)).digest("hex");
}

/** Goes on in Node 24; signals are passed on, and its exit code is ours. */
function handOver() {
  const path = `${join(modules, ".bin")}:${process.env.PATH}`;
  const child = spawn(node, [join(root, "setup", "main.ts"), ...process.argv.slice(2)], {
    cwd: root,
    // By the channel it sees when this process is killed, and ends too.
    stdio: ["inherit", "inherit", "inherit", "ipc"],
    env: { ...process.env, PATH: path, ROUSE_SUPERVISED: "1" },
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 1)));
}
