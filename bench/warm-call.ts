import { startStaticEnvoy } from "../sdk/fixtures/static-envoy.ts";
import { createProbeServiceClient } from "../test/fixtures/probe/gen/probe/v1/probe.client.ts";
import { liveVersions, until } from "../test/support/live.ts";
import { cpuMicros } from "./cpu.ts";
import { load } from "./ghz.ts";
import { SERVICE, startSubject } from "./subject.ts";
import { type BenchResult, median, round } from "./table.ts";

// Which of Envoy's workers get a run's connections is chance, and changes a run by 10 %: many short runs even it out.
const ROUNDS = 20;
const SECONDS = 1.5;
const CALLERS = 50;

/** A warm unary call: straight to the instance, through an Envoy with a static route, and through Rouse. */
export default async function warmCall(): Promise<BenchResult> {
  await using subject = await startSubject("process", [{ version: "1.0.0", cpu: 1 }]);
  const { mesh, protoset } = subject;
  using client = createProbeServiceClient({ target: mesh.edge, version: "1.0.0" });
  await client.echo({ text: "wake" }, { deadlineMs: 60_000 });
  let instance = "";
  // Consul hears of the instance after its first call is answered.
  await until("Consul shows the instance", async () => {
    const [version] = await liveVersions(mesh, SERVICE);
    instance = version?.instances[0]?.address ?? "";
    return instance !== "";
  });
  await using bare = await startStaticEnvoy(instance, [], true);
  const targets = { direct: instance, "bare Envoy": bare.address, Rouse: mesh.edge };
  const envoys: Record<string, number> = { "bare Envoy": bare.pid, Rouse: mesh.childPid("envoy") };
  const found = Object.fromEntries(
    Object.keys(targets).map((name) => [
      name,
      { rate: [] as number[], p50: [] as number[], p99: [] as number[], cpu: [] as number[] },
    ]),
  );
  const ratios: number[] = [];
  const cpuRatios: number[] = [];
  for (let number = -1; number < ROUNDS; number++) {
    const rates: Record<string, number> = {};
    const cpu: Record<string, number> = {};
    const inTurn = Object.entries(targets);
    for (const [name, target] of number % 2 === 0 ? inTurn : inTurn.toReversed()) {
      const call = `${SERVICE}/Echo`;
      const envoy = envoys[name];
      const beforeMicros = envoy === undefined ? Number.NaN : await cpuMicros(envoy);
      const result = await load({
        target,
        protoset,
        call,
        data: { text: "x" },
        seconds: SECONDS,
        callers: CALLERS,
      });
      if (result.failed > 0) throw new Error(`${result.failed} calls to ${name} failed`);
      rates[name] = result.requestsPerSecond;
      if (envoy !== undefined) cpu[name] = ((await cpuMicros(envoy)) - beforeMicros) / result.calls;
      // The first round warms everything up.
      if (number < 0) continue;
      found[name]?.rate.push(result.requestsPerSecond);
      found[name]?.p50.push(result.p50Ms);
      found[name]?.p99.push(result.p99Ms);
      found[name]?.cpu.push(cpu[name] ?? Number.NaN);
    }
    if (number < 0) continue;
    ratios.push((rates.Rouse ?? 0) / (rates["bare Envoy"] ?? Number.NaN));
    cpuRatios.push((cpu.Rouse ?? 0) / (cpu["bare Envoy"] ?? Number.NaN));
  }
  const value = median(ratios);
  return {
    name: "Warm call",
    about: `Unary echo by ghz, ${CALLERS} callers, ${ROUNDS} rounds of ${SECONDS} s in turn; medians. Envoy's processor time per call, Rouse / bare: ${round(median(cpuRatios))}.`,
    rows: Object.entries(found).map(([name, { rate, p50, p99, cpu }]) => ({
      path: name,
      "req/s": Math.round(median(rate)),
      "p50 ms": round(median(p50)),
      "p99 ms": round(median(p99)),
      ...(name in envoys && { "Envoy CPU µs/call": round(median(cpu)) }),
    })),
    figure: { name: "Rouse / bare Envoy, requests per second", value, goal: "≥ 0.95", met: value >= 0.95 },
  };
}
