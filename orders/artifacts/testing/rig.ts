import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { openDatabase } from "../../database/connect.ts";
import type { ArtifactSettings, OpenArtifacts } from "../open.ts";
import { Artifacts } from "../store.ts";
import { artifactsTables } from "../tables.ts";

/** Artifacts on a real PostgreSQL, in a folder of their own; the clock is the test's. */
export interface ArtifactsRig {
  readonly folder: string;
  readonly artifacts: Artifacts;
  readonly open: OpenArtifacts;
  /** Milliseconds since 1970; a test may set it. */
  readonly clock: { ms: number };
  /** As a process does that begins anew on the same data. */
  again(settings?: ArtifactSettings): Promise<{ artifacts: Artifacts; open: OpenArtifacts }>;
  close(): Promise<void>;
}

export async function startArtifacts(settings: ArtifactSettings = {}): Promise<ArtifactsRig> {
  const folder = await mkdtemp(join(tmpdir(), "rouse-artifacts-"));
  const log = pino({ level: "silent" });
  const parts = [{ name: "artifacts", tables: artifactsTables }];
  const database = await openDatabase({ url: undefined, folder, parts, log }).catch(
    async (error: unknown) => {
      await rm(folder, { recursive: true, force: true });
      throw error;
    },
  );
  const clock = { ms: Date.now() };
  const opened: Artifacts[] = [];
  const again = async (other: ArtifactSettings = settings) => {
    const now = () => clock.ms;
    const artifacts = new Artifacts({ ...other, folder, pool: async () => database.pool, log, now });
    const open = await artifacts.open();
    opened.push(artifacts);
    return { artifacts, open };
  };
  const close = async () => {
    for (const artifacts of opened) await artifacts.close();
    await database.close();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    return { folder, ...(await again()), clock, again, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** All of a stream. */
export async function gather(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}
