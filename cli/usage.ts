import {
  type QueryUsageRequest,
  UsageClient,
  type UsagePoint,
  type UsageSeries,
} from "#proto/rouse/usage/v1/usage.ts";
import { unary } from "../sdk/grpc.ts";
import { type Mesh, withClient } from "./connect.ts";
import { table } from "./table.ts";

/** Width of the bars, characters. */
const WIDTH = 20;
const STAGES = ["place", "create", "start", "ready", "push", "release"];

/** Prints usage as a table with a bar for the calls of each line, and below it where cold starts spent their time. */
export async function showUsage(mesh: Mesh, query: QueryUsageRequest, json: boolean): Promise<void> {
  const { answer, versions } = await withClient(UsageClient, mesh.registry, async (client) => ({
    answer: await unary(client, "queryUsage", query),
    versions: await coldStarts(client, query),
  }));
  if (json) {
    console.log(JSON.stringify(answer));
    return;
  }
  if (answer.series.length === 0 && versions.length === 0) {
    console.log("No call is counted in this time. Servers tell theirs every 10 s.");
    return;
  }
  for (const line of usageTable(query, answer.series)) console.log(line);
  if (versions.length === 0) return;
  console.log("");
  for (const line of coldTable(versions)) console.log(line);
}

function usageTable({ groupBy, stepMs }: QueryUsageRequest, series: readonly UsageSeries[]): string[] {
  const rows = series
    .flatMap((one) => one.points.map((point) => ({ names: groupBy.map((name) => nameOf(one, name)), point })))
    .filter(({ point }) => point.calls > 0);
  const most = Math.max(1, ...rows.map(({ point }) => point.calls));
  const time = stepMs > 0 ? ["from"] : [];
  const head = [...groupBy, ...time, "calls", "", "errors", "p50 ms", "p90 ms", "p99 ms"];
  return table(
    head,
    rows.map(({ names, point }) => [
      ...names,
      ...time.map(() => new Date(point.atMs).toISOString().slice(0, 16).replace("T", " ")),
      String(point.calls),
      "█".repeat(Math.max(1, Math.round((point.calls / most) * WIDTH))),
      errorsOf(point),
      ...[point.p50Ms, point.p90Ms, point.p99Ms].map(milliseconds),
    ]),
  );
}

function coldTable(series: readonly UsageSeries[]): string[] {
  const head = ["service", "version", "cold starts", "mean ms", ...STAGES];
  return table(
    head,
    series.flatMap(({ service, version, points }) =>
      points.map(({ coldStarts: count, coldStagesMs: stages }) => [
        service,
        version,
        String(count),
        ...["total", ...STAGES].map((stage) => milliseconds(stages[stage] ?? 0)),
      ]),
    ),
  );
}

/** Wakes are of versions, whatever the table is by. */
async function coldStarts(client: UsageClient, query: QueryUsageRequest): Promise<UsageSeries[]> {
  const request = { ...query, method: "", caller: "", stepMs: 0, groupBy: ["service", "version"] };
  const { series } = await unary(client, "queryUsage", request);
  return series.filter(({ points }) => points.some(({ coldStarts: count }) => count > 0));
}

function nameOf(series: UsageSeries, name: string): string {
  return String(series[name as "service" | "version" | "method" | "caller"] || "-");
}

function errorsOf({ errors, calls }: UsagePoint): string {
  const all = Object.entries(errors).sort(([, a], [, b]) => b - a);
  if (all.length === 0) return "-";
  const sum = all.reduce((total, [, count]) => total + count, 0);
  const share = ((sum / calls) * 100).toFixed(sum === calls ? 0 : 1);
  return `${sum} (${share} %: ${all.map(([name, count]) => `${count} ${name}`).join(", ")})`;
}

function milliseconds(ms: number): string {
  if (ms === 0) return "-";
  return ms < 10 ? ms.toFixed(2) : ms < 100 ? ms.toFixed(1) : ms.toFixed(0);
}
