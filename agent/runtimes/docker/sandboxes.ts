import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { RouseError } from "../../../sdk/errors.ts";
import { containerUser } from "../../image/images.ts";
import { defaultPort, labels } from "./container-options.ts";
import type { Engine } from "./engine.ts";
import type { Removals } from "./removals.ts";

/** How long a new sandbox may take to be reached, ms. */
const reachMs = 5_000;

/** A running container that holds a network namespace with an address, and does nothing. */
export interface Sandbox {
  readonly id: string;
  readonly ip: string;
  /** Its port that other hosts reach, and where they do; absent on a host that has no others. */
  readonly published?: { readonly port: number; readonly address: string } | undefined;
}

/**
 * Network namespaces made ahead: most of a container's start is its network (184 ms of it on the bridge against 72 ms
 * when it joins a namespace, measured with Docker 20.10), so one sandbox is always kept spare.
 */
export class Sandboxes {
  readonly #engine: Engine;
  readonly #removals: Removals;
  readonly #image: string;
  readonly #owner: string;
  readonly #log: Logger;
  readonly #bind: string;
  #spare: Promise<Sandbox> | undefined;
  #closed = false;

  constructor(engine: Engine, removals: Removals, image: string, owner: string, log: Logger, bind: string) {
    this.#bind = bind;
    this.#engine = engine;
    this.#removals = removals;
    this.#image = image;
    this.#owner = owner;
    this.#log = log;
  }

  /** Ids of those that no instance uses yet. */
  async spares(): Promise<readonly string[]> {
    const spare = await this.#spare?.catch(() => undefined);
    return spare === undefined ? [] : [spare.id];
  }

  /** The spare one, or a new one; where others are to reach it, they do at this port. Give it back by {@link Removals}. */
  async take(port: number): Promise<Sandbox> {
    if (this.#publishes && port !== defaultPort) return this.#make(port);
    const spare = this.#spare;
    this.#spare = undefined;
    const sandbox = await spare?.catch(() => undefined);
    if (sandbox !== undefined && (await this.runs(sandbox))) return sandbox;
    if (sandbox !== undefined) await this.#removals.remove(sandbox.id);
    return this.#make();
  }

  /** Gives back the spare one if it has ended, as with an engine that takes its containers along. */
  async renew(): Promise<void> {
    const made = this.#spare;
    const spare = await made?.catch(() => undefined);
    if (spare === undefined || (await this.runs(spare)) || this.#spare !== made) return;
    this.#spare = undefined;
    await this.#removals.remove(spare.id);
  }

  /** Makes the next spare one, in the background. */
  refill(): void {
    if (this.#spare !== undefined || this.#closed) return;
    const made = this.#make();
    this.#spare = made;
    made.catch((err) => {
      this.#log.warn({ err }, "no sandbox could be made ahead");
      if (this.#spare === made) this.#spare = undefined;
    });
  }

  /**
   * Makes the first one, which shows whether containers can be reached from here.
   *
   * @throws RouseError FAILED_PRECONDITION CONTAINERS_UNREACHABLE; what the engine throws.
   */
  async checkReachable(): Promise<void> {
    this.refill();
    await this.#spare;
  }

  /** Whether it holds its network: false also when the engine does not say. */
  async runs(sandbox: Sandbox): Promise<boolean> {
    try {
      return (await this.#engine.docker.getContainer(sandbox.id).inspect()).State.Running;
    } catch {
      return false;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const spare = await this.#spare?.catch(() => undefined);
    this.#spare = undefined;
    if (spare !== undefined) await this.#removals.remove(spare.id);
  }

  /** Other hosts do not reach the engine's network. */
  get #publishes(): boolean {
    return !this.#bind.startsWith("127.");
  }

  async #make(port = defaultPort): Promise<Sandbox> {
    const name = `${port}/tcp`;
    const container = await this.#engine.docker.createContainer({
      name: `rouse-sandbox-${randomBytes(6).toString("hex")}`,
      Image: this.#image,
      User: containerUser,
      ...(this.#publishes ? { ExposedPorts: { [name]: {} } } : {}),
      Labels: { [labels.owner]: this.#owner, [labels.kind]: "sandbox" },
      HostConfig: {
        NetworkMode: "bridge",
        ...(this.#publishes ? { PortBindings: { [name]: [{ HostIp: this.#bind, HostPort: "" }] } } : {}),
        ReadonlyRootfs: true,
        CapDrop: ["ALL"],
        SecurityOpt: ["no-new-privileges:true"],
        PidsLimit: 8,
        LogConfig: { Type: "none", Config: {} },
      },
    });
    try {
      await container.start();
      const { NetworkSettings } = await container.inspect();
      const ip = Object.values(NetworkSettings.Networks)[0]?.IPAddress ?? "";
      await this.#reach(ip);
      if (!this.#publishes) return { id: container.id, ip };
      const outside = NetworkSettings.Ports[name]?.[0]?.HostPort ?? "0";
      return { id: container.id, ip, published: { port, address: `${this.#bind}:${outside}` } };
    } catch (error) {
      await this.#removals.remove(container.id);
      throw error;
    }
  }

  /**
   * Waits until an address answers: where nobody listens, by refusing. While the host still asks around for a former
   * container of that address, packets to the new one fail for a moment: better here than in the first call.
   */
  async #reach(ip: string): Promise<void> {
    const until = performance.now() + reachMs;
    let answer = "no address";
    while (ip !== "" && performance.now() < until) {
      answer = await refusalOf(ip);
      if (answer === "ECONNREFUSED") return;
      await sleep(50);
    }
    throw new RouseError(
      "FAILED_PRECONDITION",
      `Containers of the engine on ${this.#engine.where} cannot be reached at their addresses (${ip || "none"}: ${answer}), as when it runs in a virtual machine. Use --runtime process.`,
      { reason: "CONTAINERS_UNREACHABLE" },
    );
  }
}

/** The error code with which a connection to a closed port fails. */
function refusalOf(ip: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: ip, port: 1, timeout: 2_000 });
    socket.on("connect", () => resolve("somebody answers"));
    socket.on("timeout", () => resolve("no answer"));
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.on("close", () => resolve("closed"));
    socket.on("timeout", () => socket.destroy());
  });
}
