import { ConsulClient } from "../registry/consul.ts";
import { type ControlPlane, listControlPlanes } from "../registry/control-planes.ts";
import { ORCHESTRATOR_KEY } from "../registry/keys.ts";
import { readLeader, watchLeader } from "../registry/leader.ts";
import { createProbeServiceClient } from "../test/fixtures/probe/gen/probe/v1/probe.client.ts";
import { until } from "../test/support/live.ts";
import type { ChildName } from "../test/support/mesh.ts";
import { traffic } from "../test/support/traffic.ts";
import { HOSTS, lostHost } from "./lost-host.ts";
import { startSubject } from "./subject.ts";
import { type BenchResult, median, round } from "./table.ts";

const ROUNDS = 5;
const PLANES = 3;
const signals = ["SIGKILL", "SIGSTOP"] as const;

/** How long the mesh is without a leader when the leading control plane is killed, when it hangs, and when its host is lost. */
export default async function takeOver(): Promise<BenchResult[]> {
  const cold = signals.flatMap((_, kind) => Array.from({ length: ROUNDS }, (_, n) => `1.${kind}.${n}`));
  await using subject = await startSubject(
    "process",
    [{ version: "2.0.0" }, ...cold.map((version) => ({ version }))],
    ["--control-planes", String(PLANES)],
  );
  const { mesh } = subject;
  const consul = new ConsulClient({ address: mesh.consul });
  const well = () =>
    until("all control planes are well", async () => {
      const planes = await listControlPlanes(consul);
      return (
        planes.length === PLANES &&
        planes.every(({ healthy, id, slot }) => healthy && id === slot) &&
        (await readLeader(consul, ORCHESTRATOR_KEY)) !== undefined
      );
    });
  using steady = createProbeServiceClient({ target: mesh.edge, version: "2.0.0", retries: 0 });
  const calls = traffic(steady, 2);
  await calls.more(10);
  const rows: Record<string, string | number>[] = [];
  const leads: number[] = [];
  for (const [kind, signal] of signals.entries()) {
    const nextLeader: number[] = [];
    const coldCall: number[] = [];
    for (let n = 0; n < ROUNDS; n++) {
      await well();
      using client = createProbeServiceClient({ target: mesh.edge, version: `1.${kind}.${n}`, retries: 0 });
      const leader = await readLeader(consul, ORCHESTRATOR_KEY);
      const planes = await listControlPlanes(consul);
      const child = childOf(planes.find(({ address }) => address === leader?.address));
      const elected = Promise.withResolvers<void>();
      const end = watchLeader(consul, ORCHESTRATOR_KEY, (now) => {
        if (now !== undefined && now.token !== leader?.token) elected.resolve();
      });
      const beganMs = performance.now();
      const passed = () => performance.now() - beganMs;
      mesh.kill(child, signal);
      await Promise.all([
        elected.promise.then(() => nextLeader.push(passed())),
        client.echo({ text: "x" }, { deadlineMs: 60_000 }).then(() => coldCall.push(passed())),
      ]);
      end();
      if (signal === "SIGSTOP") mesh.kill(child, "SIGCONT");
    }
    leads.push(...nextLeader);
    rows.push({
      signal,
      "next leader p50 ms": round(median(nextLeader)),
      "max ms": round(Math.max(...nextLeader)),
      "cold call p50 ms": round(median(coldCall)),
      "cold call max ms": round(Math.max(...coldCall)),
    });
  }
  const { calls: warm, failures } = await calls.stop();
  consul.close();
  const lost = await lostHost();
  for (const [signal, times] of Object.entries(lost?.leaders ?? {})) {
    leads.push(...times);
    rows.push({
      signal: `${signal} (${HOSTS} hosts)`,
      "next leader p50 ms": round(median(times)),
      "max ms": round(Math.max(...times)),
    });
  }
  rows.push({ signal: `beside: ${warm} warm calls, ${failures.length} lost` });
  const worst = Math.max(...leads);
  const result: BenchResult = {
    name: "Take-over",
    about: `The leading one of ${PLANES} control planes is killed, or hangs, ${ROUNDS} times each, and its host is cut off, without and with Consul's own leader, where there are network namespaces: from the signal until another leads, and until a call to a cold version, made in the moment of the signal, is answered.`,
    rows,
    figure: { name: "longest time without a leader, ms", value: worst, goal: "≤ 5,000", met: worst <= 5_000 },
  };
  return lost === undefined ? [result] : [result, lost.result];
}

function childOf(plane: ControlPlane | undefined): ChildName {
  const [, number] = /-([23])$/.exec(plane?.id ?? "") ?? [];
  return number === undefined ? "control-plane" : (`control-plane-${number}` as ChildName);
}
