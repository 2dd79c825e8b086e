import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { z } from "zod";
import { findTool } from "../setup/tools.ts";

const run = promisify(execFile);

const reportSchema = z.object({
  rps: z.number(),
  count: z.number(),
  latencyDistribution: z
    .array(z.object({ percentage: z.number(), latency: z.number() }))
    .nullable()
    .transform((list) => list ?? []),
  statusCodeDistribution: z.record(z.string(), z.number()),
});

export interface Load {
  /** "host:port". */
  readonly target: string;
  /** File with a google.protobuf.FileDescriptorSet. */
  readonly protoset: string;
  /** "package.Service/Method". */
  readonly call: string;
  readonly data: unknown;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly seconds: number;
  readonly callers: number;
}

export interface LoadResult {
  readonly calls: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Calls that did not end with OK, those cut off by the end of the run not counted. */
  readonly failed: number;
}

/** Puts a load on a target with ghz. */
export async function load(options: Load): Promise<LoadResult> {
  const args = [
    "--insecure",
    ...["--protoset", options.protoset],
    ...["--call", options.call],
    ...["-d", JSON.stringify(options.data)],
    ...["-m", JSON.stringify(options.metadata ?? {})],
    ...["-z", `${options.seconds}s`],
    // Calls in progress at the end are waited for, not cut off and counted as errors.
    ...["--duration-stop", "wait"],
    ...["-c", String(options.callers)],
    ...["--connections", "4"],
    ...["-O", "json"],
    options.target,
  ];
  const { stdout } = await run(findTool("ghz"), args, { maxBuffer: 256 * 2 ** 20 });
  const report = reportSchema.parse(JSON.parse(stdout));
  const latency = (share: number) =>
    (report.latencyDistribution.find(({ percentage }) => percentage === share)?.latency ?? Number.NaN) / 1e6;
  const ok = report.statusCodeDistribution.OK ?? 0;
  return {
    calls: report.count,
    requestsPerSecond: report.rps,
    p50Ms: latency(50),
    p99Ms: latency(99),
    failed: report.count - ok,
  };
}
