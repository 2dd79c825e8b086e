import { copyFile, mkdtemp, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { artifacts } from "../sdk/client/index.ts";
import { startMesh, type TestMesh } from "../test/support/mesh.ts";
import { peakBytes } from "../test/support/peak-memory.ts";
import { fill } from "./artifacts/file.ts";
import { type BenchResult, median, round } from "./table.ts";

const BYTES = 512 * 2 ** 20;
const ROUNDS = 5;

/**
 * Stores and reads an artifact of half a GiB, as the command line does and as a service does, and copies the same file, in one run on one
 * disk. Each round has other content, as the same would be stored once.
 */
export default async function artifactsBench(): Promise<BenchResult> {
  const mesh = await startMesh({ runtime: "process" });
  try {
    const folder = await mkdtemp(join(mesh.data, "bench-"));
    const rounds = await measure(mesh, folder);
    const peak = await peakBytes(mesh.childPid("orders"));
    return report(rounds, peak);
  } finally {
    await mesh.close();
  }
}

const WAYS = [
  "copy",
  "copy, on disk",
  "put, same disk",
  "put, sent",
  "put, sent through Envoy",
  "get, same disk",
  "get, sent",
  "get, sent through Envoy",
] as const;
type Way = (typeof WAYS)[number];
type Rounds = Map<Way, number[]>;

async function measure(mesh: TestMesh, folder: string): Promise<Rounds> {
  const rounds: Rounds = new Map();
  const file = join(folder, "file");
  const copy = join(folder, "copy");
  const time = async (way: Way, work: () => Promise<unknown>) => {
    const began = performance.now();
    await work();
    const times = rounds.get(way) ?? [];
    times.push(performance.now() - began);
    rounds.set(way, times);
  };
  const ways = [
    {
      put: "put, same disk",
      get: "get, same disk",
      client: artifacts({ target: mesh.orders, http: mesh.ordersHttp }),
    },
    {
      put: "put, sent",
      get: "get, sent",
      client: artifacts({ target: mesh.orders, http: mesh.ordersHttp, sharesDisk: false }),
    },
    {
      put: "put, sent through Envoy",
      get: "get, sent through Envoy",
      client: artifacts({ target: `unix:${mesh.meshSocket}`, sharesDisk: false }),
    },
  ] as const;
  try {
    // The database starts with the first of them.
    for (const { client } of ways) await client.put(Buffer.from("first"));
    for (let number = 0; number < ROUNDS; number++) {
      await fill(file, BYTES);
      await time("copy", () => copyFile(file, copy));
      await rm(copy);
      await time("copy, on disk", async () => {
        await copyFile(file, copy);
        await sync(copy);
      });
      await rm(copy);
      for (const { put, get, client } of ways) {
        let uri = "";
        await time(put, async () => {
          uri = (await client.put({ file })).uri;
        });
        await time(get, () => client.download(uri, copy));
        await rm(copy);
        await client.remove(uri);
      }
    }
  } finally {
    for (const { client } of ways) client.close();
  }
  return rounds;
}

async function sync(file: string): Promise<void> {
  const handle = await open(file, "r+");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function report(rounds: Rounds, peak: number): BenchResult {
  const speed = (way: Way) => BYTES / 2 ** 20 / (median(rounds.get(way) ?? []) / 1_000);
  const value = speed("put, same disk") / speed("copy, on disk");
  const row = (way: Way) => ({
    way,
    "MiB/s": Math.round(speed(way)),
    "of a copy": round(speed(way) / speed("copy")),
    "of a copy on disk": round(speed(way) / speed("copy, on disk")),
  });
  return {
    name: "Artifacts",
    about:
      `Storing and reading ${BYTES / 2 ** 20} MiB, medians of ${ROUNDS} rounds. "copy" is copyFile, which leaves the bytes in the page cache; "copy, on disk" waits for ` +
      'the disk, as storing does; reading does not. "same disk" is what the command line on the host of orders does, which may write to the store\'s folder: the bytes go ' +
      'from file to file. "sent" is what anybody else does, here too on one host, so that both ends share its cores. Storing what is sent compares SHA-256 of both sides. Of what is copied orders makes SHA-256; the client makes the CRC-32s of all blocks, which are kept for reads to compare, and of which every eighth is compared before the answer, the others some seconds later. Reading compares with SHA-256, and what is sent with its blocks\' checksums before. ' +
      `The server of orders had ${Math.round(peak / 2 ** 20)} MiB of memory at most.`,
    rows: WAYS.map(row),
    figure: { name: "put on the same disk / copy on disk", value, goal: "≥ 0.5", met: value >= 0.5 },
  };
}
