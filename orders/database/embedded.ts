import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { RouseError } from "../../sdk/errors.ts";
import { startTime } from "../../setup/lock.mjs";
import { findPrograms } from "./programs.ts";

/** A PostgreSQL that answers. */
export interface Database {
  /** Of the form postgresql://… */
  readonly url: string;
  /** Ends it, if it is ours. */
  close(): Promise<void>;
}

/** PostgreSQL does not run as root: as root it runs as nobody, which yet gets through to folders of root's. */
const NOBODY = 65_534;
const AS_NOBODY = [
  "setpriv",
  `--reuid=${NOBODY}`,
  `--regid=${NOBODY}`,
  "--clear-groups",
  "--inh-caps=+dac_override,+dac_read_search",
  "--ambient-caps=+dac_override,+dac_read_search",
] as const;
const START_MS = 60_000;
const STOP_MS = 20_000;
/** How often it is looked whether it still runs, ms. */
const WATCH_MS = 1_000;
/** How often it is started before it counts as failed, and how much longer each pause is than the one before, ms. */
const MOST_LAUNCHES = 6;
const RELAUNCH_MS = 200;
const PORT = 5432;
/** A unix socket's path may have 107 bytes. */
const LONGEST_SOCKET = 107;

/**
 * Starts the packaged PostgreSQL on a folder, or takes over the one that a former process left running there. It listens on a
 * socket in that folder only, which nobody else may enter. Commits are on disk before they are answered, so neither its own
 * kill -9 nor a power cut loses one.
 *
 * @throws RouseError FAILED_PRECONDITION DATABASE_MISSING, DATABASE_FAILED with what it said last.
 */
export async function embeddedDatabase(folder: string): Promise<Database> {
  const { initdb, postgres } = findPrograms();
  const data = join(folder, "data");
  const log = join(folder, "postgres.log");
  const socket = join(folder, `.s.PGSQL.${PORT}`);
  if (Buffer.byteLength(socket) > LONGEST_SOCKET) {
    throw new RouseError(
      "FAILED_PRECONDITION",
      `The path of the database's socket, ${socket}, is longer than ${LONGEST_SOCKET} bytes. Choose a data folder with a shorter path: --data`,
      { reason: "DATABASE_FAILED" },
    );
  }
  makePrivate(folder);
  const url = `postgresql://rouse@localhost:${PORT}/postgres?host=${encodeURIComponent(folder)}`;
  if (!existsSync(data)) {
    const fresh = `${data}.new`;
    rmSync(fresh, { recursive: true, force: true });
    const flags = ["--auth=trust", "--username=rouse", "--encoding=UTF8", "--locale=C"];
    const code = await run([initdb, "-D", fresh, ...flags], log);
    if (code !== 0) throw failed("cannot be set up", log);
    renameSync(fresh, data);
  }
  const launch = () => {
    const settings = {
      listen_addresses: "",
      unix_socket_directories: folder,
      unix_socket_permissions: "0700",
      max_connections: "100",
      shared_buffers: "32MB",
      log_min_messages: "warning",
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const child = start([postgres, "-D", data, "-p", String(PORT), ...flags], log);
    child.unref();
    return Promise.race([once(child, "exit"), once(child, "error")]);
  };
  await untilAnswers(url, data, launch, log);
  // Whoever kills it gets another one.
  const watch = setInterval(() => {
    if (readPid(data) === undefined) launch().catch(() => undefined);
  }, WATCH_MS);
  return {
    url,
    close() {
      clearInterval(watch);
      return stop(data);
    },
  };
}

function makePrivate(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  if (isRoot()) chownSync(folder, NOBODY, NOBODY);
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

function start(command: readonly string[], log: string) {
  const [file = "", ...args] = isRoot() ? [...AS_NOBODY, ...command] : command;
  const out = openSync(log, "a");
  try {
    // A group of its own: Ctrl-C is for those who use it, and they end it when they are done.
    return spawn(file, args, { stdio: ["ignore", out, out], detached: true });
  } finally {
    closeSync(out);
  }
}

async function run(command: readonly string[], log: string): Promise<number | null> {
  const child = start(command, log);
  const [code] = (await Promise.race([once(child, "exit"), once(child, "error")])) as [number | null];
  return typeof code === "number" ? code : null;
}

/** Process id of the server that runs on the folder. */
function readPid(data: string): number | undefined {
  const file = join(data, "postmaster.pid");
  if (!existsSync(file)) return undefined;
  const pid = Number(readFileSync(file, "utf8").split("\n")[0]);
  return startTime(pid) === "" ? undefined : pid;
}

async function untilAnswers(
  url: string,
  data: string,
  launch: () => Promise<unknown>,
  log: string,
): Promise<void> {
  const deadline = performance.now() + START_MS;
  let running = false;
  let launches = 0;
  for (;;) {
    // One that was just killed may still have children, which a new one waits out by ending; and of two processes that start
    // one at the same time, one sees its own end.
    if (!running && readPid(data) === undefined) {
      if (launches >= MOST_LAUNCHES) throw failed("does not start", log);
      await sleep(launches * RELAUNCH_MS);
      launches += 1;
      running = true;
      launch()
        .catch(() => undefined)
        .finally(() => {
          running = false;
        });
    }
    const client = new Client({ connectionString: url });
    try {
      await client.connect();
      await client.query("SELECT 1");
      return;
    } catch {
      if (performance.now() > deadline) throw failed("does not start", log);
    } finally {
      await client.end().catch(() => undefined);
    }
    await sleep(50);
  }
}

/** Fast shutdown: open transactions are rolled back, the rest is on disk. */
async function stop(data: string): Promise<void> {
  const pid = readPid(data);
  if (pid === undefined) return;
  process.kill(pid, "SIGINT");
  const deadline = performance.now() + STOP_MS;
  while (readPid(data) === pid && performance.now() < deadline) await sleep(50);
  if (readPid(data) === pid) process.kill(pid, "SIGQUIT");
}

function failed(what: string, log: string): RouseError {
  const lines = existsSync(log) ? readFileSync(log, "utf8").trim().split("\n").slice(-5) : [];
  const said = lines.length === 0 ? "" : ` It said:\n  ${lines.join("\n  ")}`;
  return new RouseError(
    "FAILED_PRECONDITION",
    `The database of orders ${what}.${said}\nIts log is ${log}. A server of your own is named by --database postgresql://user@host/name`,
    { reason: "DATABASE_FAILED" },
  );
}
