import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "pino";
import type { ConsulClient } from "../../registry/consul.ts";
import type { ControlSlot } from "../../registry/control-planes.ts";
import { spareKey } from "../../registry/keys.ts";
import { type Campaign, campaign } from "../../registry/leader.ts";

const rouse = join(import.meta.dirname, "..", "..", "cli", "bin", "rouse.mjs");
/** From SIGTERM to SIGKILL, ms. */
const GRACE_MS = 5_000;
/** Before a spare that ended is started again, ms. */
const PAUSE_MS = 1_000;

export interface SpareOptions {
  /** Name of this host. */
  readonly host: string;
  /** "host:port" of the agent. */
  readonly address: string;
  /** IP address on which it listens, at any port. */
  readonly bind: string;
  readonly consul: ConsulClient;
  /** The mesh's data folder of this host. */
  readonly dataDir: string;
  readonly log: Logger;
}

/**
 * A control plane that this agent runs in the place of another. A lock in Consul keeps two agents from doing so for the same
 * one; the process ends with the agent.
 */
export class Spare {
  readonly #id: string;
  readonly #slot: string;
  readonly #args: readonly string[];
  readonly #options: SpareOptions;
  readonly #election: Campaign;
  #elected = false;
  #closed = false;
  #process: ChildProcess | undefined;
  #pause: NodeJS.Timeout | undefined;

  constructor(slot: string, { flags }: ControlSlot, options: SpareOptions) {
    const { host, address, bind, consul, dataDir } = options;
    this.#id = `${slot}~${host}`;
    this.#slot = slot;
    this.#options = options;
    this.#args = [
      ...["control-plane", "--id", this.#id, "--replaces", slot, "--host", host, "--listen", `${bind}:0`],
      ...["--consul", consul.address, "--data", dataDir, ...flags],
    ];
    this.#election = campaign(consul, {
      key: spareKey(slot),
      id: host,
      address,
      log: options.log,
      onElected: () => {
        this.#elected = true;
        this.#start();
      },
      onLost: () => {
        this.#elected = false;
        void this.#end();
      },
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#pause);
    await this.#end();
    await this.#election.close();
  }

  #start(): void {
    if (this.#closed || !this.#elected || this.#process !== undefined) return;
    const { dataDir, log } = this.#options;
    mkdirSync(join(dataDir, "logs"), { recursive: true });
    const output = openSync(join(dataDir, "logs", `${this.#id}.log`), "a");
    // By the channel it sees when this process is killed, and ends too.
    const child = spawn(process.execPath, [rouse, ...this.#args], {
      detached: true,
      stdio: ["ignore", output, output, "ipc"],
      env: { ...process.env, ROUSE_SUPERVISED: "1" },
    });
    closeSync(output);
    this.#process = child;
    log.warn({ slot: this.#slot, pid: child.pid }, "a control plane is missing: one is started in its place");
    const ended = (how: unknown) => {
      if (this.#process !== child) return;
      this.#process = undefined;
      if (this.#closed || !this.#elected) return;
      log.warn({ slot: this.#slot, how }, "the control plane that stands in ended; it is started again");
      this.#pause = setTimeout(() => this.#start(), PAUSE_MS);
    };
    child.once("error", ended);
    child.once("exit", (code, signal) => ended(signal ?? code));
  }

  async #end(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
    await exited;
    clearTimeout(timer);
    this.#options.log.info({ slot: this.#slot }, "the control plane that stood in has ended");
  }
}
