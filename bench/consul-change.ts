import { setTimeout as sleep } from "node:timers/promises";
import { createProbeServiceClient } from "../test/fixtures/probe/gen/probe/v1/probe.client.ts";
import { rouseOk } from "../test/support/rouse.ts";
import { SERVICE, startSubject } from "./subject.ts";
import { type BenchResult, quantile, round } from "./table.ts";

const CHANGES = 100;
/** Changes that are not counted: the control plane's code is compiled as it runs. */
const WARM_UP = 50;

/** From the write of a tag to Consul to the first call that is answered by the version it names now. */
export default async function consulChange(): Promise<BenchResult> {
  await using subject = await startSubject("process", [
    { version: "1.0.0", cpu: 1 },
    { version: "2.0.0", cpu: 1 },
  ]);
  const { mesh } = subject;
  for (const version of ["1.0.0", "2.0.0"]) {
    using client = createProbeServiceClient({ target: mesh.edge, version });
    await client.echo({ text: "wake" }, { deadlineMs: 60_000 });
  }
  await rouseOk(["tag", SERVICE, "beta", "1.0.0", "--data", mesh.data]);
  using client = createProbeServiceClient({ target: mesh.edge, version: "beta" });
  const key = `http://${mesh.consul}/v1/kv/rouse/tags/${SERVICE}`;
  await client.echo({ text: "x" });
  const times: number[] = [];
  for (let number = -WARM_UP; number < CHANGES; number++) {
    const version = number % 2 === 0 ? "2.0.0" : "1.0.0";
    const body = JSON.stringify({ beta: [{ version, weight: 1 }] });
    const beganMs = performance.now();
    const written = fetch(key, { method: "PUT", body });
    await firstAnswerBy(version, client);
    if (number >= 0) times.push(performance.now() - beganMs);
    await written;
    // The next change is one by itself, not part of a burst.
    await sleep(100);
  }
  const value = quantile(times, 0.5);
  return {
    name: "Change in Consul",
    about: `Milliseconds from a tag's write to a call answered by its new version; ${CHANGES} changes after ${WARM_UP}, a call every 3 ms.`,
    rows: [{ "p50 ms": round(value), "p99 ms": round(quantile(times, 0.99)) }],
    figure: { name: "p50, ms", value, goal: "≤ 10", met: value <= 10 },
  };
}

type Client = ReturnType<typeof createProbeServiceClient>;

/** Calls every 3 ms, and resolves with the first answer that the version gives. */
function firstAnswerBy(version: string, client: Client): Promise<void> {
  return new Promise((resolve, reject) => {
    const calling = setInterval(() => {
      client.echo({ text: "x" }).then((answer) => {
        if (answer.version !== version) return;
        clearInterval(calling);
        resolve();
      }, reject);
    }, 3);
  });
}
