import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import Docker from "dockerode";
import { RouseError } from "../../../sdk/errors.ts";

/** How long an engine may take to say that it is there, ms. */
const pingMs = 3_000;

/** How long after its loss the event stream is opened again, ms. */
const reopenMs = 200;

/** How long one that went away may take to answer before nothing is started by it, ms. */
const backMs = 1_000;

/** A Docker-compatible engine, by its API. */
export class Engine {
  readonly docker: Docker;
  /** As people write it: "unix:///var/run/docker.sock". */
  readonly where: string;
  #lost = Promise.withResolvers<void>();
  #away = false;

  /** @param where "unix:///path" or "tcp://host:port"; default DOCKER_HOST, then the usual socket. */
  constructor(where: string | undefined) {
    this.where = where ?? process.env.DOCKER_HOST ?? "unix:///var/run/docker.sock";
    this.docker = new Docker(where === undefined ? {} : dockerOptions(where));
  }

  /**
   * Asks the engine who it is.
   *
   * @returns such as "Docker 20.10.24".
   * @throws RouseError UNAVAILABLE ENGINE_UNAVAILABLE.
   */
  async greet(): Promise<string> {
    try {
      const { Version, Components } = await inTime(this.docker.version());
      const product = Components?.[0]?.Name?.startsWith("Podman") ? "Podman" : "Docker";
      return `${product} ${Version}`;
    } catch (error) {
      throw this.gone(error);
    }
  }

  /** What it says of its own settings, as "docker info" shows them; undefined where it does not say. */
  async info(): Promise<unknown> {
    return inTime(this.docker.info()).catch(() => undefined);
  }

  /** @returns false when it has not answered for so many ms, as one that is away, or takes connections but does not serve yet. */
  async answersWithin(ms: number): Promise<boolean> {
    const until = performance.now() + ms;
    for (let delayMs = 20; performance.now() < until; delayMs = Math.min(delayMs * 2, 500)) {
      try {
        await inTime(this.docker.ping(), until - performance.now());
        return true;
      } catch {
        await sleep(delayMs);
      }
    }
    return false;
  }

  /**
   * To be called before something is started: a start would wait for an engine that is about to come back, and may be made elsewhere.
   *
   * @throws RouseError UNAVAILABLE ENGINE_UNAVAILABLE when it went away, which {@link guard} notices, and is not back.
   */
  async check(): Promise<void> {
    if (!this.#away || (await this.answersWithin(backMs))) return;
    throw this.gone(new Error("it went away and is not back"));
  }

  /**
   * Notices at once when the engine goes away, by an event stream that it keeps open until `signal`: a request whose
   * answer breaks off would otherwise be waited for without end.
   *
   * @param back called each time that it answers again.
   */
  guard(signal: AbortSignal, back: () => void): void {
    const again = () => {
      this.#away = true;
      this.#lost.resolve();
      this.#lost = Promise.withResolvers<void>();
      if (!signal.aborted) setTimeout(open, reopenMs).unref();
    };
    const open = async () => {
      if (signal.aborted) return;
      try {
        // Of events there are none: nobody names a container so.
        const events = (await this.docker.getEvents({ filters: { container: ["rouse-guard"] } })) as Readable;
        if (this.#away) back();
        this.#away = false;
        const end = () => events.destroy();
        signal.addEventListener("abort", end, { once: true });
        events.on("error", end);
        events.once("close", () => {
          signal.removeEventListener("abort", end);
          again();
        });
        events.resume();
      } catch {
        again();
      }
    };
    void open();
  }

  /** Resolves when the connection to the engine is lost from now on. */
  get lost(): Promise<void> {
    return this.#lost.promise;
  }

  gone(cause: unknown): RouseError {
    const why = cause instanceof Error ? cause.message : String(cause);
    return new RouseError(
      "UNAVAILABLE",
      `No Docker engine answers on ${this.where} (${why}). Start it, or name another by DOCKER_HOST.`,
      { reason: "ENGINE_UNAVAILABLE", cause },
    );
  }

  /** What an engine's error means to whoever asked to start something. */
  explain(error: unknown, what: string): RouseError {
    if (error instanceof RouseError) return error;
    const status = statusOf(error);
    if (status === undefined) return this.gone(error);
    return new RouseError(
      "FAILED_PRECONDITION",
      `The Docker engine on ${this.where} refused ${what}: ${wordsOf(error)}.`,
      { reason: "ENGINE_REFUSED", cause: error },
    );
  }
}

/** @throws Error when the engine takes too long. */
async function inTime<T>(answer: Promise<T>, ms = pingMs): Promise<T> {
  const timeout = new AbortController();
  const late = sleep(ms, undefined, { signal: timeout.signal, ref: false }).then(() => {
    throw new Error(`no answer within ${ms} ms`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([answer, late]);
  } finally {
    timeout.abort();
  }
}

/** HTTP status of an engine's refusal; undefined when it did not answer. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof Error && "statusCode" in error && typeof error.statusCode === "number"
    ? error.statusCode
    : undefined;
}

/** The engine's own words. */
export function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const json = "json" in error ? error.json : undefined;
  if (typeof json === "object" && json !== null && "message" in json) return String(json.message).trim();
  return error.message;
}

function dockerOptions(where: string): Docker.DockerOptions {
  if (where.startsWith("unix://")) return { host: undefined, port: undefined, socketPath: where.slice(7) };
  if (!URL.canParse(where))
    throw new RouseError(
      "INVALID_ARGUMENT",
      `"${where}" is no address of a Docker engine. Give unix:///path or tcp://host:port.`,
      { reason: "ENGINE_ADDRESS_INVALID" },
    );
  const { hostname, port, protocol } = new URL(where);
  return { host: hostname, port, protocol: protocol === "https:" ? "https" : "http" };
}
