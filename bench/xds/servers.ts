import { type ChildProcess, execFile, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { largeMesh, linesOf, withMovedInstance } from "./mesh.ts";

/** A control plane in a process of its own, which serves a large mesh. */
export interface XdsServer extends AsyncDisposable {
  readonly address: string;
  /** Gives the instance of a service another port. */
  change(service: number): Promise<void>;
  /** Processor time since its start, µs. */
  cpu(): Promise<number>;
  /** What it has in use after a collection of garbage, bytes. */
  memory(): Promise<number>;
}

/**
 * Sends a command to a forked process and resolves to the answer: one at a time.
 *
 * @throws when the process ends before.
 */
export async function ask<T>(child: ChildProcess, command: string): Promise<T> {
  const answered = new AbortController();
  const { signal } = answered;
  const answer = once(child, "message", { signal }) as Promise<[T]>;
  const ended = once(child, "exit", { signal }).then(() => {
    throw new Error(`${child.spawnargs.join(" ")} ended before it answered "${command}"`);
  });
  try {
    child.send(command);
    return (await Promise.race([answer, ended]))[0];
  } finally {
    answered.abort();
    await Promise.allSettled([answer, ended]);
  }
}

/** mesh-config with so many services. */
export async function rouseServer(services: number): Promise<XdsServer> {
  const child = fork(join(import.meta.dirname, "rouse-server.ts"), [String(services)], {
    execArgv: ["--expose-gc"],
  });
  const [address] = await once(child, "message");
  let move = 0;
  return {
    address: String(address),
    change: async (n) => void (await ask(child, `change ${n} ${++move}`)),
    cpu: () => ask<number>(child, "cpu"),
    memory: () => ask<number>(child, "memory"),
    async [Symbol.asyncDispose]() {
      const exited = once(child, "exit");
      child.disconnect();
      await exited;
    },
  };
}

/** Builds the server of go-control-plane's parts in a scratch folder; undefined where there is no Go. */
export async function buildGoServer(): Promise<({ readonly file: string } & AsyncDisposable) | undefined> {
  const folder = await mkdtemp(join(tmpdir(), "rouse-xds-"));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const source = join(folder, "source");
    await cp(join(import.meta.dirname, "go-control-plane"), source, { recursive: true });
    const file = join(folder, "server");
    const env = { ...process.env, GOFLAGS: "", GOWORK: "off", GOTOOLCHAIN: "auto", CGO_ENABLED: "0" };
    const args = ["build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-o", file, "."];
    await promisify(execFile)("go", args, { cwd: source, env });
    return { file, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** The same mesh, served by go-control-plane. */
export async function goServer(file: string, services: number): Promise<XdsServer> {
  const folder = await mkdtemp(join(tmpdir(), "rouse-xds-"));
  let state = largeMesh(services);
  const lines = Array.from({ length: services }, (_, n) => linesOf(state, n)).flat();
  await writeFile(join(folder, "resources"), `${lines.join("\n")}\n`);
  const child = spawn(file, [join(folder, "resources")], { stdio: ["pipe", "pipe", "inherit"] });
  const output = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async () => String((await output.next()).value);
  const send = (command: string) => {
    child.stdin.write(`${command}\n`);
    return next();
  };
  let move = 0;
  return {
    address: await next(),
    async change(n) {
      state = withMovedInstance(state, n, ++move);
      await send(linesOf(state, n).find((line) => line.startsWith("endpoint ")) ?? "");
    },
    cpu: async () => Number(await send("cpu")),
    memory: async () => Number(await send("memory")),
    async [Symbol.asyncDispose]() {
      const exited = once(child, "exit");
      child.stdin.end();
      child.kill();
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
