import { type ChildProcess, execFile, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type LoadResult, load } from "./ghz.ts";
import { type BenchResult, median, round } from "./table.ts";

const pairs = 21;
const seconds = 1.2;
const goal = 0.97;

interface Measured extends LoadResult {
  /** Processor time of the server per call. */
  readonly cpuMicros: number;
}

interface Server {
  readonly process: ChildProcess;
  readonly address: string;
}

/**
 * Requests per second of a generated server against grpc-js alone. The rounds of the two alternate, and the ratio is
 * the median over the pairs: the machine's mood changes slower than that.
 */
export default async function benchGeneratedServer(): Promise<BenchResult> {
  const folder = await mkdtemp(join(tmpdir(), "rouse-bench-"));
  const [plain, generated] = await Promise.all([start("plain"), start("rouse")]);
  try {
    const protoset = await describe(folder);
    const measure = (server: Server) => measureOnce(server, protoset);
    await measure(plain);
    await measure(generated);
    const found: { plain: Measured; generated: Measured }[] = [];
    for (let n = 0; n < pairs; n += 1) {
      // Who goes first changes as well: the second finds the processor warmer.
      if (n % 2 === 0) found.push({ plain: await measure(plain), generated: await measure(generated) });
      else found.push({ generated: await measure(generated), plain: await measure(plain) });
    }
    const value = median(
      found.map((pair) => pair.generated.requestsPerSecond / pair.plain.requestsPerSecond),
    );
    return {
      name: "Generated server",
      about: `One unary method on loopback by ghz, 50 callers; medians of ${pairs} alternating rounds.`,
      rows: [
        row(
          "plain grpc-js",
          found.map((pair) => pair.plain),
        ),
        row(
          "generated",
          found.map((pair) => pair.generated),
        ),
      ],
      figure: {
        name: "generated / plain, requests per second",
        value,
        goal: `≥ ${goal}`,
        met: value >= goal,
      },
    };
  } finally {
    plain.process.disconnect();
    generated.process.disconnect();
    await rm(folder, { recursive: true, force: true });
  }
}

async function start(kind: "plain" | "rouse"): Promise<Server> {
  const process = fork(join(import.meta.dirname, `generated-server-${kind}.ts`));
  const [address] = await once(process, "message");
  return { process, address: String(address) };
}

async function measureOnce(server: Server, protoset: string): Promise<Measured> {
  const before = await cpuMicros(server);
  const result = await load({
    target: server.address,
    protoset,
    call: "test.echo.v1.Echo/Say",
    data: { text: "hello" },
    seconds,
    callers: 50,
  });
  if (result.failed > 0) throw new Error(`${result.failed} calls to ${server.address} failed under load.`);
  const spent = (await cpuMicros(server)) - before;
  return { ...result, cpuMicros: spent / (result.requestsPerSecond * seconds) };
}

async function cpuMicros({ process }: Server): Promise<number> {
  process.send("cpu");
  const [{ user, system }] = await once(process, "message");
  return user + system;
}

/** Writes the descriptor set of the service under load, for ghz. */
async function describe(folder: string): Promise<string> {
  const root = join(import.meta.dirname, "..");
  const file = join(folder, "echo.binpb");
  const args = ["build", join(root, "sdk/fixtures"), "--as-file-descriptor-set", "--output", file];
  await promisify(execFile)(join(root, "node_modules/.bin/buf"), args);
  return file;
}

function row(server: string, all: readonly Measured[]): Record<string, number | string> {
  const of = (pick: (one: Measured) => number) => round(median(all.map(pick)));
  return {
    server,
    "requests/s": Math.round(of((one) => one.requestsPerSecond)),
    "p50 ms": of((one) => one.p50Ms),
    "p99 ms": of((one) => one.p99Ms),
    "server CPU µs/call": of((one) => one.cpuMicros),
  };
}
