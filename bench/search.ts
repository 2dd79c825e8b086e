import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { credentials } from "@grpc/grpc-js";
import { CatalogClient } from "#proto/rouse/catalog/v1/catalog.ts";
import type { Manifest } from "../registry/manifest.ts";
import { unary } from "../sdk/grpc.ts";
import { freePorts, startConsul } from "../test/support/consul.ts";
import { fillConsul } from "./catalog/fill.ts";
import { type Question, questionsOf } from "./catalog/questions.ts";
import { syntheticManifest } from "./catalog/sample.ts";
import { scanner } from "./catalog/scan.ts";
import { type BenchResult, quantile, round } from "./table.ts";

const SERVICES = 10_000;
const QUESTIONS_OF_A_KIND = 60;
/** A page of the site. */
const LIMIT = 20;

/**
 * Searches in a catalog of 10,000 services, through the API of a registry in a process of its own; beside it, in the same run, the
 * same questions answered by looking through the same texts for the words.
 */
export default async function search(): Promise<BenchResult> {
  const manifests = Array.from({ length: SERVICES }, (_, number) => syntheticManifest(number));
  const consul = await startConsul();
  try {
    await fillConsul(consul.address, manifests);
    const registry = await startRegistryProcess(consul.address);
    try {
      return await measure(registry, manifests);
    } finally {
      await registry.stop();
    }
  } finally {
    await consul.stop();
  }
}

interface Measured {
  readonly question: Question;
  readonly searchMs: number;
  readonly scanMs: number;
  readonly found: boolean;
}

async function measure(registry: RegistryProcess, manifests: readonly Manifest[]): Promise<BenchResult> {
  const client = new CatalogClient(registry.address, credentials.createInsecure());
  const scan = scanner(manifests);
  const measured: Measured[] = [];
  try {
    const ask = (query: string) => unary(client, "search", { ...NO_FILTERS, query, limit: LIMIT });
    // The index is warm and code compiled when people search.
    for (const { query } of questionsOf(manifests, 5, 1)) await ask(query);
    for (const question of questionsOf(manifests, QUESTIONS_OF_A_KIND, 2)) {
      const beganMs = performance.now();
      const { hits } = await ask(question.query);
      const searchedMs = performance.now();
      scan(question.query, LIMIT);
      const scannedMs = performance.now();
      measured.push({
        question,
        searchMs: searchedMs - beganMs,
        scanMs: scannedMs - searchedMs,
        found: hits.some(({ service }) => service?.name === question.wanted),
      });
    }
  } finally {
    client.close();
  }
  const value = quantile(
    measured.map(({ searchMs }) => searchMs),
    0.5,
  );
  const kinds = [...new Set(measured.map(({ question }) => question.kind))];
  const memory = Math.round((await residentBytes(registry.pid)) / 2 ** 20);
  return {
    name: "Search",
    about:
      `Milliseconds of a search by gRPC among ${SERVICES} services, ${QUESTIONS_OF_A_KIND} questions of each kind, a page of ${LIMIT}; "scan" looks for the words in the same texts, ` +
      "in this process, without typos or ranking. The services are synthetic (bench/catalog/sample.ts) and were written into a real Consul; the registry and its API are the real ones. " +
      `It read and indexed all contracts in ${round(registry.indexedMs / 1_000)} s, and has ${memory} MiB of memory afterwards.`,
    rows: [
      ...kinds.map((kind) =>
        row(
          kind,
          measured.filter(({ question }) => question.kind === kind),
        ),
      ),
      row("all", measured),
    ],
    figure: { name: "p50, ms", value, goal: "≤ 50", met: value <= 50 },
  };
}

const NO_FILTERS = { owner: "", tag: "", state: "", maxCpu: 0, maxMemoryBytes: 0, gpu: false, offset: 0 };

function row(kind: string, measured: readonly Measured[]): BenchResult["rows"][number] {
  const search = measured.map(({ searchMs }) => searchMs);
  const scan = measured.map(({ scanMs }) => scanMs);
  const wanted = measured.filter(({ question }) => question.wanted !== undefined);
  return {
    query: kind,
    "p50 ms": round(quantile(search, 0.5)),
    "p99 ms": round(quantile(search, 0.99)),
    "scan p50 ms": round(quantile(scan, 0.5)),
    "scan p99 ms": round(quantile(scan, 0.99)),
    "found on page 1":
      wanted.length === 0
        ? ""
        : `${Math.round((100 * wanted.filter(({ found }) => found).length) / wanted.length)} %`,
  };
}

interface RegistryProcess {
  readonly address: string;
  readonly pid: number;
  /** From the start of the index to its last contract, ms. */
  readonly indexedMs: number;
  stop(): Promise<void>;
}

/** Starts a registry and waits until it can search everything. */
async function startRegistryProcess(consul: string): Promise<RegistryProcess> {
  const data = await mkdtemp(join(tmpdir(), "rouse-bench-search-"));
  const [listen, http] = (await freePorts(2)).map((port) => `127.0.0.1:${port}`);
  if (listen === undefined || http === undefined) throw new Error("there are no free ports");
  const rouse = join(import.meta.dirname, "..", "cli", "bin", "rouse.mjs");
  const args = [rouse, "registry", "--listen", listen, "--http", http, "--consul", consul, "--data", data];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
    }
    await rm(data, { recursive: true, force: true });
  };
  try {
    return { address: listen, pid: child.pid ?? 0, indexedMs: await untilIndexed(child), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The registry says in its log when the index is complete. */
async function untilIndexed(child: ChildProcess): Promise<number> {
  if (child.stderr === null) throw new Error("the registry's log cannot be read");
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stderr })) {
    lines.push(line);
    const said = line.startsWith("{") ? (JSON.parse(line) as { msg?: string; tookMs?: number }) : {};
    if (said.msg !== "The search index has all contracts") continue;
    child.stderr.resume();
    return said.tookMs ?? Number.NaN;
  }
  throw new Error(`The registry ended before it had indexed everything:\n${lines.join("\n")}`);
}

/** Memory of a process, bytes (Linux). */
async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) * 1024;
}
