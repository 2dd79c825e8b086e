import { type ClientHttp2Session, connect } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { followQuery } from "../registry/blocking.ts";
import { ConsulClient } from "../registry/consul.ts";
import { createProbeServiceClient } from "../test/fixtures/probe/gen/probe/v1/probe.client.ts";
import { EchoRequest, EchoResponse } from "../test/fixtures/probe/gen/probe/v1/probe.ts";
import { rouseOk } from "../test/support/rouse.ts";
import { SERVICE, startSubject } from "./subject.ts";
import { type BenchResult, quantile, round } from "./table.ts";

const CHANGES = 100;
/** Changes that are not counted: the control plane's code is compiled as it runs. */
const WARM_UP = 150;

/**
 * From the write of a tag to Consul to the first call that is answered by the version it names now. Beside it, for the very same writes,
 * what Consul alone takes: until a blocking query of this process answers with the new value. Calls begin with that answer, before which
 * none can be routed by the change, and follow one another: earlier ones would take processors from Consul, and calls at intervals would
 * add a part of the interval. They are made by plain HTTP/2: a generated client takes
 * twice this process's time for a call, which would keep the processors from what is measured.
 */
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
  const session = connect(`http://${mesh.edge}`);
  const path = `/v1/kv/rouse/tags/${SERVICE}`;
  await answeringVersion(session);
  const times: number[] = [];
  const written: number[] = [];
  const watched: number[] = [];
  const calls: number[] = [];
  const alone: Watch = { told: Promise.withResolvers<number>() };
  const closing = new AbortController();
  const consul = new ConsulClient({ address: mesh.consul });
  const following = followQuery(
    consul,
    { path, onAnswer: () => alone.told.resolve(performance.now()) },
    closing.signal,
  );
  await alone.told.promise;
  for (let number = -WARM_UP; number < CHANGES; number++) {
    const version = number % 2 === 0 ? "2.0.0" : "1.0.0";
    const body = JSON.stringify({ beta: [{ version, weight: 1 }] });
    alone.told = Promise.withResolvers<number>();
    const beganMs = performance.now();
    const acknowledged = consul.request("PUT", path, { body }).then(() => performance.now());
    await alone.told.promise;
    const callMs = await firstAnswerBy(version, session);
    const routedMs = performance.now();
    const [writtenMs, watchedMs] = await Promise.all([acknowledged, alone.told.promise]);
    if (number >= 0) {
      times.push(routedMs - beganMs);
      written.push(writtenMs - beganMs);
      watched.push(watchedMs - beganMs);
      calls.push(callMs);
    }
    // The next change is one by itself, not part of a burst.
    await sleep(100);
  }
  session.close();
  closing.abort();
  await following;
  const row = (what: string, ms: readonly number[]) => ({
    what,
    "p50 ms": round(quantile(ms, 0.5)),
    "p99 ms": round(quantile(ms, 0.99)),
  });
  const value = quantile(times, 0.5);
  return {
    name: "Change in Consul",
    about: `Milliseconds from a tag's write to a call answered by its new version; ${CHANGES} changes after ${WARM_UP}. Calls follow one another from the query's answer on.`,
    rows: [
      row("Consul acknowledges the write", written),
      row("a blocking query answers", watched),
      row("a call is routed by it", times),
      row(
        "  after the query",
        times.map((ms, n) => ms - (watched[n] ?? Number.NaN)),
      ),
      row("  that call itself", calls),
    ],
    figure: { name: "p50, ms", value, goal: "≤ 10", met: value <= 10 },
  };
}

interface Watch {
  told: PromiseWithResolvers<number>;
}

/** Calls until the version answers. @returns how long that call took, ms. */
async function firstAnswerBy(version: string, session: ClientHttp2Session): Promise<number> {
  for (;;) {
    const beganMs = performance.now();
    if ((await answeringVersion(session)) === version) return performance.now() - beganMs;
  }
}

const HEADERS = {
  ":method": "POST",
  ":path": `/${SERVICE}/Echo`,
  "content-type": "application/grpc",
  te: "trailers",
  "rouse-version": "beta",
};
/** A message of gRPC: a flag and the length before its bytes. */
const PREFIX_BYTES = 5;
const MESSAGE = Buffer.from(EchoRequest.encode({ text: "x" }).finish());
const REQUEST = Buffer.concat([Buffer.from([0, 0, 0, 0, MESSAGE.length]), MESSAGE]);

/** Makes a call of Echo. @returns the version that answered. */
function answeringVersion(session: ClientHttp2Session): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const stream = session.request(HEADERS);
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () =>
      resolve(EchoResponse.decode(Buffer.concat(chunks).subarray(PREFIX_BYTES)).version),
    );
    stream.on("error", reject);
    stream.end(REQUEST);
  });
}
