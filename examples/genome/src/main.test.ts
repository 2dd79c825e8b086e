import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { watch } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createGenomeServiceClient } from "../gen/genome/v1/genome.client.ts";

const main = fileURLToPath(new URL("main.ts", import.meta.url));
let folder: string;
const services: ChildProcess[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "rouse-genome-main-"));
});
afterEach(async () => {
  for (const service of services.splice(0)) service.kill("SIGKILL");
  await rm(folder, { recursive: true, force: true });
});

async function file(name: string, text: string): Promise<string> {
  await writeFile(join(folder, name), text);
  return join(folder, name);
}

/** Starts the service as the mesh does, but for the mesh. */
function start(env: Record<string, string>) {
  const { ROUSE_MESH: _, ROUSE_NOTIFY: __, ...inherited } = process.env;
  const service = spawn(process.execPath, [main], {
    cwd: fileURLToPath(new URL("..", import.meta.url)),
    env: { ...inherited, ROUSE_LISTEN: "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  services.push(service);
  return service;
}

test("an instance whose file is wrong ends with one line that says what and where", async () => {
  const fasta = await file("a.fa", ">chr1\nACGTACGT\n");
  const gff3 = await file("a.gff3", "##gff-version 3\nchr1\t.\tgene\t7\t5\t.\t+\t.\tID=g\n");
  const service = start({ ROUSE_INSTANCE: "test", GENOME_FASTA: fasta, GENOME_GFF3: gff3 });
  let errors = "";
  service.stderr.on("data", (data) => (errors += data));
  const [code] = await once(service, "close");
  expect(code).toBe(1);
  expect(errors).toBe(
    `${gff3}:2: the start 7 is behind the end 5; GFF3 wants start <= end. (GFF3_INVALID)\n`,
  );
});

test("the user's own genome is served, and SIGTERM ends the service well", async () => {
  const fasta = await file("a.fa", ">chr1 of mine\nACGTAC\nGT\n>chr2\nTT\n");
  const watcher = watch(folder);
  const listens = once(watcher, "change");
  const service = start({ ROUSE_LISTEN: `unix:${join(folder, "socket")}`, GENOME_FASTA: fasta });
  const ended = once(service, "close");
  using client = createGenomeServiceClient({ target: `unix:${join(folder, "socket")}` });
  // The socket is the next thing that comes to the folder.
  await listens;
  watcher.close();
  const { references } = await client.listReferences({ pageSize: 0, pageToken: "" });
  expect(references).toEqual([
    { name: "chr1", length: 8, description: "of mine" },
    { name: "chr2", length: 2, description: "" },
  ]);
  service.kill("SIGTERM");
  expect(await ended).toEqual([0, null]);
});
