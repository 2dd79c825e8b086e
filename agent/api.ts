import type { ServerUnaryCall, ServerWritableStream, sendUnaryData } from "@grpc/grpc-js";
import { Metadata, Server } from "@grpc/grpc-js";
import {
  type AgentServer,
  AgentService,
  type LogLine,
  type LogsRequest,
} from "#proto/rouse/agent/v1/agent.ts";
import { JobsService } from "#proto/rouse/agent/v1/jobs.ts";
import { sendBundle } from "../registry/send-bundle.ts";
import { encodeErrorDetails } from "../sdk/error-details.ts";
import { RouseError } from "../sdk/errors.ts";
import { listen } from "../sdk/grpc.ts";
import type { Agent } from "./agent.ts";
import type { Bundles } from "./artifacts/bundles.ts";
import type { Holdings } from "./artifacts/holdings.ts";
import type { Capacity } from "./capacity.ts";
import type { Fencing } from "./fencing.ts";
import type { Outliers } from "./health/outliers.ts";
import { streamHealth } from "./health/stream.ts";
import type { InstanceVitals } from "./health/vitals.ts";
import { jobsService } from "./jobs/api.ts";
import type { Jobs } from "./jobs/jobs.ts";
import { MOST_BYTES } from "./jobs/spec.ts";
import { streamLogs } from "./logs/stream.ts";
import type { Runtime } from "./runtimes/runtime.ts";
import type { Settlement } from "./settlement.ts";

/** What the API answers from. */
export interface ServerParts {
  readonly agent: Agent;
  readonly bundles: Bundles;
  readonly fencing: Fencing;
  readonly settlement: Settlement;
  readonly capacity: Capacity;
  readonly vitals: InstanceVitals;
  readonly outliers: Outliers;
  readonly holdings: Holdings;
  readonly runtime: Runtime;
  readonly runtimeReason: string;
  readonly jobs: Jobs;
}

/**
 * Offers rouse.agent.v1.Agent.
 *
 * @returns the server and its "host:port".
 * @throws RouseError as sdk/grpc.ts listen().
 */
export async function serveAgent(
  address: string,
  parts: ServerParts,
): Promise<{ server: Server; address: string }> {
  // A job's request comes with its description.
  const server = new Server({ "grpc.max_receive_message_length": 4 * MOST_BYTES });
  server.addService(AgentService, handlers(parts));
  server.addService(JobsService, jobsService(parts.jobs, parts.settlement));
  return { server, address: await listen(server, address) };
}

function handlers({
  agent,
  bundles,
  fencing,
  settlement,
  capacity,
  vitals,
  outliers,
  holdings,
  runtime,
  runtimeReason,
  jobs,
}: ServerParts): AgentServer {
  return {
    startInstance: unary(async ({ fencingToken, instanceId, spec, generation, placed }) => {
      fencing.check(fencingToken);
      settlement.check();
      return agent.start(instanceId, spec, generation, placed);
    }),
    prepareVersion: unary(async ({ fencingToken, spec }) => {
      fencing.check(fencingToken);
      return { precreated: await agent.prepare(spec) };
    }),
    forgetVersion: unary(async ({ fencingToken, service, version }) => {
      fencing.check(fencingToken);
      await agent.forget(service, version);
      return {};
    }),
    setGeneration: unary(async ({ fencingToken, instanceId, generation }) => {
      fencing.check(fencingToken);
      return { instance: agent.setGeneration(instanceId, generation).toApi() };
    }),
    retireInstance: unary(async ({ fencingToken, instanceId }) => {
      fencing.check(fencingToken);
      return { instance: agent.retire(instanceId).toApi() };
    }),
    suspendInstance: unary(async ({ fencingToken, instanceId, generation, lastUsedMs }) => {
      fencing.check(fencingToken);
      return { instance: (await agent.suspend(instanceId, generation, lastUsedMs)).toApi() };
    }),
    resumeInstance: unary(async ({ fencingToken, instanceId, generation }) => {
      fencing.check(fencingToken);
      return agent.resume(instanceId, generation);
    }),
    stopInstance: unary(async ({ fencingToken, instanceId, graceMs, reason }) => {
      fencing.check(fencingToken);
      await agent.get(instanceId).stop(graceMs, reason);
      return {};
    }),
    listInstances: unary(async ({ fencingToken = 0 }) => {
      fencing.check(fencingToken);
      return { instances: agent.instances.map((instance) => instance.toApi()) };
    }),
    getStatus: unary(async () => {
      const { cpu, memoryBytes } = capacity.used;
      const { standbys } = agent.evictions;
      return {
        host: capacity.host,
        runtime: runtime.name,
        runtimeReason,
        cpuTotal: capacity.total.cpu,
        cpuUsed: cpu,
        memoryTotalBytes: capacity.total.memoryBytes,
        memoryUsedBytes: memoryBytes,
        instances: agent.running.length,
        precreated: runtime.precreated(),
        unenforced: [...runtime.unenforced],
        warnings: [...runtime.warnings],
        fencingToken: fencing.newest,
        standby: standbys.length,
        standbyMemoryBytes: standbys.reduce((sum, { record }) => sum + record.spec.memoryBytes, 0),
      };
    }),
    getBundle: (call) => void sendBundle(call, bundles.read(call.request.digest)),
    keepBundles: unary(async ({ fencingToken, digests }) => {
      fencing.check(fencingToken);
      await agent.keepBundles(digests);
      return {};
    }),
    watchHealth: (call) => streamHealth({ vitals, jobs, outliers, holdings }, call),
    logs: (call) => void answerLogs(agent, call),
  };
}

/** A handler that answers what a function returns, or the status, message and details of what it throws. */
function unary<Request, Response>(answer: (request: Request) => Promise<Response>) {
  return (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>): void => {
    answer(call.request).then(
      (response) => callback(null, response),
      (thrown: unknown) => callback(serviceError(thrown)),
    );
  };
}

async function answerLogs(agent: Agent, call: ServerWritableStream<LogsRequest, LogLine>): Promise<void> {
  const cancelled = new AbortController();
  call.on("cancelled", () => cancelled.abort());
  try {
    for await (const line of streamLogs(agent, call.request, cancelled.signal)) {
      if (cancelled.signal.aborted) return;
      if (!call.write(line)) await drained(call, cancelled.signal);
    }
    call.end();
  } catch (thrown) {
    if (!cancelled.signal.aborted) call.emit("error", serviceError(thrown));
  }
}

function drained(call: ServerWritableStream<LogsRequest, LogLine>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    call.once("drain", resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function serviceError(thrown: unknown) {
  const error = RouseError.from(thrown);
  const metadata = new Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from(encodeErrorDetails(error)));
  return { name: error.name, message: error.message, code: error.code, details: error.message, metadata };
}
