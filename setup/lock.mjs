// A lock between processes of one machine: a folder that holds its owner's process id and start time. Plain
// JavaScript, because it is needed before Node 24 and the modules are there.
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Runs `work` while no other process holds the lock; waits as long as it takes. A lock whose owner has died is taken
 * over.
 *
 * @template T
 * @param {string} folder the lock's own folder; its parent is made when missing
 * @param {() => Promise<T>} work
 * @param {(owner: number) => void} [onWait] told once when another process holds it
 * @returns {Promise<T>}
 */
export async function withLock(folder, work, onWait = () => {}) {
  mkdirSync(dirname(folder), { recursive: true });
  for (let told = false; !tryLock(folder); ) {
    const owner = readOwner(folder);
    if (owner !== undefined && !told) onWait(owner.pid);
    told ||= owner !== undefined;
    await sleep(200);
  }
  try {
    return await work();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param {string} folder */
function tryLock(folder) {
  const mine = `${folder}.${process.pid}`;
  mkdirSync(mine, { recursive: true });
  writeFileSync(
    join(mine, "owner.json"),
    JSON.stringify({ pid: process.pid, start: startTime(process.pid) }),
  );
  try {
    // Fails when the target exists and is not empty, so the lock appears with its owner in it or not at all.
    renameSync(mine, folder);
    return true;
  } catch {
    rmSync(mine, { recursive: true, force: true });
    const owner = readOwner(folder);
    if (owner !== undefined && startTime(owner.pid) !== owner.start) removeStale(folder);
    return false;
  }
}

/** @param {string} folder */
function removeStale(folder) {
  const stale = `${folder}.stale.${process.pid}`;
  try {
    // Only one of several waiting processes can move it away.
    renameSync(folder, stale);
    rmSync(stale, { recursive: true, force: true });
  } catch {}
}

/**
 * @param {string} folder
 * @returns {{ pid: number, start: string } | undefined}
 */
function readOwner(folder) {
  try {
    return JSON.parse(readFileSync(join(folder, "owner.json"), "utf8"));
  } catch {
    return undefined;
  }
}

/**
 * What tells a process from a later one with the same id: its start time in clock ticks since boot, from
 * /proc/PID/stat, field 22 (proc(5)). Empty when there is no such process.
 *
 * @param {number} pid
 * @returns {string}
 */
export function startTime(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? "" : (fields[19] ?? "");
  } catch {
    return isAlive(pid) ? "alive" : "";
  }
}

/** @param {number} pid */
function isAlive(pid) {
  if (process.platform === "linux") return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
