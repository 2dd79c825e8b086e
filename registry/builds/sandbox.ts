import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { accessSync, constants, existsSync, realpathSync } from "node:fs";
import { chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { basename, delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { confineScript, type View } from "./confine-script.ts";
import { innerFolder, outerFolder, ownFolder } from "./scratch-folder.ts";

/** Keeps a build's programs from what is not theirs, as far as this machine lets. */
export interface Sandbox {
  /** One line for the log of each build. */
  readonly words: string;
  /** Where the scratch folders are. */
  readonly folder: string;
  /** What a program leaves running ends with it, whatever that does. */
  readonly endsAll: boolean;
  /** Whom the scratch folder must belong to, when not to this process's user. */
  readonly uid: number | undefined;
  /** The command line that runs a program in the sandbox. */
  wrap(command: readonly string[], options: { cwd: string; scratch: string; network: boolean }): string[];
}

/** "nobody" of Debian, Fedora, Alpine and others. */
const NOBODY = 65_534;
const root = realpathSync(join(import.meta.dirname, "..", ".."));
const isRoot = process.getuid?.() === 0;
const powerless = ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"];
const asNobody = isRoot ? [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"] : [];

/**
 * The strongest sandbox that works here, tried out: namespaces of Linux; for root, where those are forbidden, another user; else
 * none.
 *
 * @param dataDir of the registry, which no build may read.
 */
export async function findSandbox(dataDir: string): Promise<Sandbox> {
  for (const sandbox of [namespaces(dataDir, false), namespaces(dataDir, true), otherUser(dataDir)]) {
    if (sandbox !== undefined && (await holds(sandbox, dataDir))) return sandbox;
  }
  return {
    words:
      "no sandbox: this machine allows neither namespaces nor another user, so the build runs with the registry's own rights",
    folder: innerFolder(dataDir),
    endsAll: false,
    uid: undefined,
    wrap: (command) => [...command],
  };
}

function namespaces(dataDir: string, network: boolean): Sandbox | undefined {
  if (process.platform !== "linux" || !["unshare", "setpriv", "mount", "umount"].every(programPath)) return;
  if (!network && programPath("ip") === undefined) return;
  const view = viewOf(dataDir);
  return {
    words: `sandbox: new namespaces${isRoot ? ` and user ${NOBODY}` : ""}; the registry's data, home folders and /tmp are out of sight${network ? "; the host's network is within reach" : ", and only dependencies come over the network"}`,
    folder: innerFolder(dataDir),
    endsAll: true,
    uid: isRoot ? NOBODY : undefined,
    wrap(command, { cwd, scratch, network: wanted }) {
      const kept = network || wanted;
      return [
        "unshare",
        ...(isRoot ? [] : ["--user", "--map-root-user"]),
        ...(kept ? [] : ["--net"]),
        "--mount",
        "--ipc",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "/bin/sh",
        "-c",
        confineScript({ ...view, scratch }, kept),
        "rouse-sandbox",
        cwd,
        "setpriv",
        ...asNobody,
        ...powerless,
        ...command,
      ];
    },
  };
}

function otherUser(dataDir: string): Sandbox | undefined {
  if (!isRoot || programPath("setpriv") === undefined) return;
  return {
    words: `half a sandbox: the build runs as user ${NOBODY}; namespaces are forbidden here, so it sees what everybody on this host may see, its network included`,
    folder: outerFolder(dataDir),
    endsAll: false,
    uid: NOBODY,
    wrap: (command) => ["setpriv", ...asNobody, ...powerless, ...command],
  };
}

/** What is hidden: this user's files, sockets such as Docker's, and everything of the mesh. What is shown: what runs a build. */
function viewOf(dataDir: string): Omit<View, "scratch"> {
  const data = realpathSync(dataDir);
  const mesh = basename(data) === "registry" ? dirname(data) : data;
  const hidden = ["/tmp", tmpdir(), "/run", "/home", "/root", homedir(), mesh].filter(existsSync);
  const programs = [process.execPath, programPath("npm") ?? root].map((file) => prefixOf(realpathSync(file)));
  const names = existsSync("/etc/resolv.conf") ? [dirname(realpathSync("/etc/resolv.conf"))] : [];
  const modules = realpathSync(join(root, "node_modules"));
  const inOrder = (paths: string[]) =>
    [...new Set(paths.map((path) => realpathSync(path)))].filter((path) => path !== "/").sort();
  // A folder comes before what is in it.
  return { hidden: inOrder(hidden), visible: inOrder([root, modules, ...programs, ...names]) };
}

/** "/usr/local" of "/usr/local/bin/node" and of "/usr/local/lib/node_modules/npm/bin/npm-cli.js". */
function prefixOf(file: string): string {
  return file.replace(/\/(lib\/node_modules\/npm\/)?bin\/[^/]+$/, "") || dirname(file);
}

/** Path of a program, by PATH. */
export function programPath(name: string): string | undefined {
  return (process.env.PATH ?? "/usr/bin:/bin")
    .split(delimiter)
    .concat("/usr/sbin", "/sbin")
    .map((folder) => join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** Whether a program in the sandbox can work, and cannot read the registry's data. */
async function holds(sandbox: Sandbox, dataDir: string): Promise<boolean> {
  const secret = join(realpathSync(dataDir), `trial-${randomUUID()}`);
  let scratch = "";
  const script = `
    const { existsSync, readFileSync, writeFileSync } = require("node:fs");
    writeFileSync(process.argv[1] + "/written", "");
    readFileSync(${JSON.stringify(join(root, "package.json"))});
    try { readFileSync(${JSON.stringify(secret)}); process.exit(1); } catch { process.exit(0); }`;
  try {
    await ownFolder(sandbox.folder);
    scratch = realpathSync(await mkdtemp(join(sandbox.folder, "trial-")));
    await writeFile(secret, "", { mode: 0o600 });
    if (sandbox.uid !== undefined) await chown(scratch, sandbox.uid, sandbox.uid);
    const command = sandbox.wrap([process.execPath, "-e", script, scratch], {
      cwd: scratch,
      scratch,
      network: false,
    });
    const [file = "", ...args] = command;
    await promisify(execFile)(file, args, { cwd: scratch, timeout: 20_000 });
    return true;
  } catch {
    return false;
  } finally {
    await rm(secret, { force: true });
    if (scratch !== "") await rm(scratch, { recursive: true, force: true });
  }
}
