import { setTimeout as sleep } from "node:timers/promises";
import { Client, credentials, status } from "@grpc/grpc-js";
import { collectorTarget, untraced } from "../tracing/collector-target.ts";
import { CallCounts } from "./counts.ts";
import { encodeCounts } from "./encode.ts";

const PATH = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
/** From a call to the report that has it, at most; ms. */
const INTERVAL_MS = 10_000;
const TIMEOUT_MS = 5_000;
/** Between tries of a server that ends, ms. */
const LAST_PAUSE_MS = 250;
/** The sums are sent again after so long, calls or not: who keeps them forgets an instance that says nothing; ms. */
const REPEAT_MS = 3_600_000;

const endpoint =
  process.env.OTEL_EXPORTER_OTLP_METRICS_ENDPOINT || process.env.OTEL_EXPORTER_OTLP_ENDPOINT || undefined;
const wanted = process.env.OTEL_METRICS_EXPORTER !== "none";

const reporters: Reporter[] = [];

/**
 * Starts to count a server's calls. The sums are sent to OTEL_EXPORTER_OTLP_ENDPOINT by OTLP/gRPC every 10 s in which there
 * were calls. Undefined without an endpoint: then nothing is counted.
 */
export function countCalls(service: string, version: string): CallCounts | undefined {
  if (endpoint === undefined || !wanted) return undefined;
  const reporter = new Reporter(endpoint, service, version);
  reporters.push(reporter);
  return reporter.counts;
}

/** Sends what was not sent yet. Resolves when that has arrived, or after the time (ms) at the latest: it is the last chance. */
export async function flushCounts(timeoutMs = 5_000): Promise<void> {
  await Promise.all(reporters.map((reporter) => reporter.end(timeoutMs)));
}

/**
 * Sends a server's sums. They are sums since its start, so that a report that is lost, or comes twice, changes nothing in the
 * end.
 */
class Reporter {
  readonly counts = new CallCounts();
  readonly #endpoint: string;
  readonly #service: string;
  readonly #version: string;
  readonly #timer: NodeJS.Timeout;
  #grpc: Client | undefined;
  #sent = 0;
  #sentAtMs = 0;
  #underway: Promise<void> | undefined;

  constructor(target: string, service: string, version: string) {
    this.#endpoint = target;
    this.#service = service;
    this.#version = version;
    this.#timer = setInterval(() => void this.#report(TIMEOUT_MS), INTERVAL_MS).unref();
  }

  async end(timeoutMs: number): Promise<void> {
    clearInterval(this.#timer);
    await this.#underway;
    const end = Date.now() + timeoutMs;
    for (let left = timeoutMs; left > 0 && this.counts.total !== this.#sent; left = end - Date.now()) {
      await this.#report(left);
      if (this.counts.total !== this.#sent) await sleep(Math.min(LAST_PAUSE_MS, end - Date.now()));
    }
    this.#grpc?.close();
  }

  #report(timeoutMs: number): Promise<void> {
    const { total } = this.counts;
    const repeat = total > 0 && Date.now() - this.#sentAtMs > REPEAT_MS;
    if (total === this.#sent && !repeat) return Promise.resolve();
    this.#underway ??= this.#send(timeoutMs).then((arrived) => {
      this.#underway = undefined;
      if (!arrived) return;
      this.#sent = total;
      this.#sentAtMs = Date.now();
    });
    return this.#underway;
  }

  #send(timeoutMs: number): Promise<boolean> {
    this.#grpc ??= connect(this.#endpoint);
    const { ROUSE_INSTANCE, ROUSE_HOST, ROUSE_WORKER } = process.env;
    const server = {
      service: this.#service,
      version: this.#version,
      // Each worker counts for itself.
      instance: ROUSE_INSTANCE ? `${ROUSE_INSTANCE}${ROUSE_WORKER ? `/${ROUSE_WORKER}` : ""}` : ownName,
      host: ROUSE_HOST ?? "",
    };
    const body = Buffer.from(encodeCounts(server, this.counts, Date.now()));
    const deadline = Date.now() + timeoutMs;
    return new Promise((resolve) => {
      // Who is away now gets the sums the next time; a collector that takes traces only has no use for them.
      this.#grpc?.makeUnaryRequest(PATH, same, same, body, untraced(), { deadline }, (error) =>
        resolve(error === null || error.code === status.UNIMPLEMENTED),
      );
    });
  }
}

/** For a server that no agent has started. */
const ownName = `process-${process.pid}-${Date.now().toString(36)}`;

function connect(target: string): Client {
  const secure = target.startsWith("https://");
  return new Client(
    collectorTarget(target),
    secure ? credentials.createSsl() : credentials.createInsecure(),
    {
      "grpc.service_config_disable_resolution": 1,
      "grpc.enable_channelz": 0,
      "grpc.max_reconnect_backoff_ms": INTERVAL_MS,
    },
  );
}

function same(bytes: Buffer): Buffer {
  return bytes;
}
