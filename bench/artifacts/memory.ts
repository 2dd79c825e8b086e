import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { artifacts } from "../../sdk/client/index.ts";
import { startMesh, type TestMesh } from "../../test/support/mesh.ts";
import { peakBytes } from "../../test/support/peak-memory.ts";
import { startS3 } from "../../test/support/s3.ts";
import type { BenchResult } from "../table.ts";
import { fill } from "./file.ts";

const BYTES = 3 * 2 ** 30;
/** A mesh that has just begun has half of it. */
const GOAL = 0.125;
const client = join(import.meta.dirname, "client.ts");
const toldSchema = z.object({ uri: z.string(), peakBytes: z.number() });

interface Row extends Record<string, string | number> {
  readonly store: string;
  readonly way: string;
  readonly "MiB/s": number;
  readonly "orders, MiB": number;
  readonly "client, MiB": number;
}

/** Stores and reads 3 GiB in a folder and in an S3 store, and looks at the most memory that both sides had meanwhile (Linux). */
export default async function artifactsMemoryBench(): Promise<BenchResult> {
  const rows = await inFolder();
  rows.push(...(await inS3()));
  const most = Math.max(...rows.flatMap((row) => [row["orders, MiB"], row["client, MiB"]]));
  const value = most / (BYTES / 2 ** 20);
  return {
    name: "Memory of artifacts",
    about:
      `Storing and reading ${BYTES / 2 ** 30} GiB, and the most memory (VmHWM) that the process of orders and that of its client had meanwhile. "copied" is on the store's own ` +
      'disk, where bytes go from file to file; "sent" is through a connection. The S3 store is a server on this machine (rclone), whose memory is not counted.',
    rows,
    figure: { name: "most memory of one side / content", value, goal: `< ${GOAL}`, met: value < GOAL },
  };
}

async function inFolder(): Promise<Row[]> {
  const mesh = await startMesh({ runtime: "process" });
  try {
    return [
      ...(await rounds(mesh, "folder", "copied", true)),
      ...(await rounds(mesh, "folder", "sent", false)),
    ];
  } finally {
    await mesh.close();
  }
}

async function inS3(): Promise<Row[]> {
  const s3 = await startS3();
  try {
    Object.assign(process.env, s3.keys);
    const location = `s3://bucket/bench?endpoint=${encodeURIComponent(s3.endpoint)}&region=eu-test-1`;
    const mesh = await startMesh({ runtime: "process", args: ["--artifacts", location] });
    try {
      return await rounds(mesh, "S3", "sent", false);
    } finally {
      await mesh.close();
    }
  } finally {
    for (const name of Object.keys(s3.keys)) delete process.env[name];
    await s3.close();
  }
}

/** Stores one file, and reads it. */
async function rounds(mesh: TestMesh, store: string, way: string, sharesDisk: boolean): Promise<Row[]> {
  const folder = await mkdtemp(join(mesh.data, "bench-"));
  const file = join(folder, "file");
  const copy = join(folder, "copy");
  const near = artifacts({ target: mesh.orders, http: mesh.ordersHttp });
  const rows: Row[] = [];
  try {
    await fill(file, BYTES);
    // The database starts with the first.
    await near.put(Buffer.from("first"));
    const run = async (verb: "put" | "get", uri: string, path: string): Promise<string> => {
      const orders = mesh.childPid("orders");
      // Its peak begins anew (proc(5)).
      await writeFile(`/proc/${orders}/clear_refs`, "5");
      const began = performance.now();
      const args = [client, verb, mesh.orders, mesh.ordersHttp, uri, path, String(sharesDisk)];
      const { stdout } = await promisify(execFile)(process.execPath, args);
      const seconds = (performance.now() - began) / 1_000;
      const told = toldSchema.parse(JSON.parse(stdout));
      const mib = (bytes: number) => Math.round(bytes / 2 ** 20);
      rows.push({
        store,
        way: `${verb}, ${way}`,
        "MiB/s": Math.round(BYTES / 2 ** 20 / seconds),
        "orders, MiB": mib(await peakBytes(orders)),
        "client, MiB": mib(told.peakBytes),
      });
      return told.uri;
    };
    const uri = await run("put", "", file);
    await rm(file);
    await run("get", uri, copy);
    await near.remove(uri);
    return rows;
  } finally {
    near.close();
    await rm(folder, { recursive: true, force: true });
  }
}
