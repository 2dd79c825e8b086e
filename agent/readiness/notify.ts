import { chmodSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { Logger } from "pino";
import { z } from "zod";
import { RouseError } from "../../sdk/errors.ts";

/** What an instance says of itself, while it serves. */
const vitalsSchema = z.object({
  /** By how much its event loop is late, ms. */
  loopDelayMs: z.number().min(0),
  queue: z.number().int().min(0),
  inProgress: z.number().int().min(0),
});
export type Vitals = z.infer<typeof vitalsSchema>;
const report = z.object({ instance: z.string(), vitals: vitalsSchema });

const announcement = z.object({
  instance: z.string(),
  /** Pushed here, health needs no round trip of its own; without it grpc.health.v1/Watch is asked first. */
  health: z.literal("SERVING").optional(),
  /** It will say how it does from now on, each 5 s at least. */
  speaks: z.literal(true).optional(),
  address: z.string().regex(/^(.+:\d+|unix:\/.+)$/, 'must be "host:port" or "unix:/path"'),
});

/** What an instance says of itself. */
export interface Announced {
  /** "host:port" or "unix:/path". */
  readonly address: string;
  /** It takes calls already. */
  readonly serving: boolean;
}

/** Who is awaited under a name. */
interface Awaited {
  readonly id: string;
  readonly announced: (announced: Announced) => void;
}

type Said = z.infer<typeof announcement>;

/** So many announcements that nobody awaits are kept, for as long as their senders are connected. */
const keptEarly = 256;
/** Longest line an instance may send, bytes; more is no announcement. */
const maxLine = 4096;
/** Connections that may wait to be accepted: instances connect anew all at once when the agent restarts. */
const backlog = 4096;

/**
 * The socket by which instances say that they are ready, and where. Push instead of polling: the agent learns it in
 * the same millisecond.
 */
export class NotifySocket {
  readonly path: string;
  readonly #server: Server;
  readonly #log: Logger;
  readonly #awaited = new Map<string, Awaited>();
  /** What was announced before anybody awaited it, by name: an engine may answer a start later than the program is up. */
  readonly #early = new Map<string, { readonly socket: Socket; readonly said: Said }>();
  readonly #sockets = new Set<Socket>();
  /** Told what instances say of how they do. */
  onVitals: ((instance: string, vitals: Vitals) => void) | undefined;
  /** Told which instances will say so. */
  onSpeaker: ((instance: string) => void) | undefined;

  private constructor(path: string, log: Logger) {
    this.path = path;
    this.#log = log;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** @throws RouseError FAILED_PRECONDITION AGENT_RUNNING, INVALID_ARGUMENT SOCKET_PATH_TOO_LONG. */
  static async open(path: string, log: Logger): Promise<NotifySocket> {
    if (Buffer.byteLength(path) > 107)
      throw new RouseError(
        "INVALID_ARGUMENT",
        `The socket path ${path} is longer than the 107 bytes that Linux allows. Choose a shorter data folder by --data.`,
        { reason: "SOCKET_PATH_TOO_LONG" },
      );
    if (await answers(path))
      throw new RouseError(
        "FAILED_PRECONDITION",
        `Another agent already runs with this data folder (it answers on ${path}). Stop it, or choose another folder by --data.`,
        { reason: "AGENT_RUNNING" },
      );
    rmSync(path, { force: true });
    const notify = new NotifySocket(path, log);
    await new Promise<void>((resolve, reject) => {
      notify.#server.once("error", reject).listen({ path, backlog }, resolve);
    });
    // Instances in containers run as another user.
    chmodSync(path, 0o666);
    return notify;
  }

  /**
   * Calls back with what `name` announces, once, after it was answered by its instance id: a container that was made
   * ahead does not know that yet.
   *
   * @returns what forgets it.
   */
  await(name: string, id: string, announced: (announced: Announced) => void): () => void {
    this.#awaited.set(name, { id, announced });
    const early = this.#early.get(name);
    // The caller gets what forgets it first.
    if (early !== undefined) queueMicrotask(() => this.#take(early.socket, early.said));
    return () => this.#awaited.delete(name);
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    let text = "";
    socket.setEncoding("utf8");
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      this.#sockets.delete(socket);
      for (const [name, early] of this.#early) if (early.socket === socket) this.#early.delete(name);
    });
    socket.on("data", (chunk: string) => {
      text += chunk;
      const lines = text.split("\n");
      text = lines.pop() ?? "";
      if (text.length > maxLine) socket.destroy();
      for (const line of lines) this.#announce(socket, line);
    });
  }

  #announce(socket: Socket, line: string): void {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      value = undefined;
    }
    const told = report.safeParse(value);
    if (told.success) {
      this.onVitals?.(told.data.instance, told.data.vitals);
      return;
    }
    const parsed = announcement.safeParse(value);
    if (!parsed.success) {
      this.#log.warn({ line: line.slice(0, 200) }, "an instance announced itself in words that mean nothing");
      return;
    }
    this.#take(socket, parsed.data);
  }

  #take(socket: Socket, said: Said): void {
    const { instance: name, address, health, speaks } = said;
    const awaited = this.#awaited.get(name);
    this.#early.delete(name);
    if (awaited === undefined) {
      this.#early.set(name, { socket, said });
      const [oldest] = this.#early.keys();
      if (this.#early.size > keptEarly && oldest !== undefined) this.#early.delete(oldest);
      return;
    }
    this.#awaited.delete(name);
    // It lies in the instance's socket before anybody learns where to call: so the first call finds it read.
    socket.write(`${JSON.stringify({ instance: awaited.id })}\n`);
    if (speaks === true) this.onSpeaker?.(awaited.id);
    awaited.announced({ address, serving: health === "SERVING" });
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
      .once("connect", () => {
        socket.destroy();
        resolve(true);
      })
      .once("error", () => resolve(false));
  });
}
