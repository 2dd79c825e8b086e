import { fork } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { consulOfFile } from "../test/support/consul-of-file.ts";
import { readActivation, updateActivation } from "./activation.ts";
import { type Campaign, campaign, depose, type Leader, readLeader, watchLeader } from "./leader.ts";

const { server, consul } = await consulOfFile();

/** A candidate with a promise for each change of its fortune. */
function stand(
  key: string,
  id: string,
  address = "127.0.0.1:1",
): Campaign & { elected(): Promise<Leader>; lost(): Promise<void> } {
  let elected = Promise.withResolvers<Leader>();
  let lost = Promise.withResolvers<void>();
  const running = campaign(consul, {
    key,
    id,
    address,
    ttlMs: 1_000,
    onElected: (leadership) => {
      elected.resolve(leadership);
      lost = Promise.withResolvers();
    },
    onLost: () => {
      lost.resolve();
      elected = Promise.withResolvers();
    },
  });
  return { ...running, elected: () => elected.promise, lost: () => lost.promise };
}

test("one of two leads, the other follows when it steps down, with a larger token", async () => {
  const key = "rouse/leader/stepping";
  const seen: (Leader | undefined)[] = [];
  const end = watchLeader(consul, key, (leader) => seen.push(leader));
  const a = stand(key, "a", "127.0.0.1:11");
  const first = await a.elected();
  expect(first).toMatchObject({ id: "a", address: "127.0.0.1:11" });
  const b = stand(key, "b", "127.0.0.1:22");
  expect(b.current()).toBeUndefined();
  await a.close();
  const second = await b.elected();
  expect(second.token).toBeGreaterThan(first.token);
  expect(await readLeader(consul, key)).toEqual(second);
  await expect.poll(() => seen.at(-1), { interval: 5, timeout: 30_000 }).toEqual(second);
  expect(seen).toContainEqual(first);
  end();
  await b.close();
  expect(await readLeader(consul, key)).toBeUndefined();
});

test("a leader that is killed is replaced; started again under its id it stands behind", async () => {
  const key = "rouse/leader/killed";
  const child = fork(new URL("testing/candidate.ts", import.meta.url), [server.address, key, "a"]);
  try {
    const [first] = (await once(child, "message")) as [Leader];
    const b = stand(key, "b");
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
    const startedAt = performance.now();
    const second = await b.elected();
    console.log(
      `take-over ${(performance.now() - startedAt).toFixed(0)} ms after the kill, with a TTL of 1,000 ms`,
    );
    expect(second.token).toBeGreaterThan(first.token);
    await b.close();
  } finally {
    child.kill("SIGKILL");
  }
});

test("a leader that was killed and starts again leads again at once, with a larger token", async () => {
  const key = "rouse/leader/again";
  const child = fork(new URL("testing/candidate.ts", import.meta.url), [server.address, key, "a"]);
  try {
    const [first] = (await once(child, "message")) as [Leader];
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
    const startedAt = performance.now();
    const again = stand(key, "a");
    const second = await again.elected();
    console.log(`leads again ${(performance.now() - startedAt).toFixed(0)} ms after its restart`);
    expect(second.token).toBeGreaterThan(first.token);
    await again.close();
  } finally {
    child.kill("SIGKILL");
  }
});

test("who loses the session is told, and wins again with a larger token", async () => {
  const key = "rouse/leader/session";
  const a = stand(key, "a");
  const first = await a.elected();
  const lost = a.lost();
  const { text } = await consul.request("GET", "/v1/session/list");
  const sessions = JSON.parse(text) as { ID: string; Name: string }[];
  const own = sessions.find(({ Name }) => Name === `${key}:a`);
  await consul.request("PUT", `/v1/session/destroy/${own?.ID}`);
  await lost;
  const second = await a.elected();
  expect(second.token).toBeGreaterThan(first.token);
  await a.close();
});

test("a leader whose process is known to be gone is deposed, and what it would still write is refused", async () => {
  const key = "rouse/leader/deposed";
  const a = stand(key, "a", "127.0.0.1:11");
  const first = await a.elected();
  const lock = { key, session: first.session };
  await updateActivation(consul, "led.A", "1.0.0", (now) => ({ ...now, generation: 2 }), lock);
  expect(await depose(consul, key, "127.0.0.1:99")).toBe(false);
  const lost = a.lost();
  expect(await depose(consul, key, "127.0.0.1:11")).toBe(true);
  await lost;
  await expect(
    updateActivation(consul, "led.A", "1.0.0", (now) => ({ ...now, generation: 3 }), lock),
  ).rejects.toThrow(
    "rouse/activation/led.A/1.0.0 is not written: another orchestrator has taken the lead meanwhile, as rouse/leader/deposed in Consul says.",
  );
  expect(await readActivation(consul, "led.A", "1.0.0")).toMatchObject({ generation: 2 });
  await a.close();
});

test("a short absence of Consul costs nobody the lead", async () => {
  const key = "rouse/leader/restart";
  let losses = 0;
  const elected = Promise.withResolvers<Leader>();
  const common = { key, id: "a", address: "127.0.0.1:1", ttlMs: 30_000 };
  const a = campaign(consul, { ...common, onElected: elected.resolve, onLost: () => losses++ });
  const first = await elected.promise;
  await server.restart();
  const seen = Promise.withResolvers<Leader>();
  const end = watchLeader(consul, key, (leader) => leader && seen.resolve(leader));
  expect(await seen.promise).toEqual(first);
  expect(a.current()).toEqual(first);
  expect(losses).toBe(0);
  end();
  await a.close();
});

test("a snapshot put back that has the lock of a former self: it leads again, and goes beyond a token that somebody knows", async () => {
  const key = "rouse/leader/snapshot";
  const former = stand(key, "a");
  await former.elected();
  const url = `http://${server.address}/v1/snapshot`;
  const snapshot = await (await fetch(url)).arrayBuffer();
  await former.close();
  for (let times = 0; times < 3; times++) {
    const one = stand(key, "a");
    await one.elected();
    await one.close();
  }
  const a = stand(key, "a");
  const { token: known } = await a.elected();
  const lost = a.lost();
  expect((await fetch(url, { method: "PUT", body: snapshot })).ok).toBe(true);
  await lost;
  const again = await a.elected();
  expect(again.token).toBeLessThan(known);
  await a.outgrow(known);
  while ((a.current()?.token ?? 0) <= known) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(a.current()).toEqual(await readLeader(consul, key));
  // Who leads next goes on from there.
  const { token } = a.current() ?? { token: 0 };
  await a.close();
  const b = stand(key, "b");
  expect((await b.elected()).token).toBe(token + 1);
  await b.outgrow(token);
  expect(b.current()?.token).toBe(token + 1);
  await b.close();
});

test("Consul that lost its data elects anew", async () => {
  const key = "rouse/leader/fresh";
  const a = stand(key, "a");
  await a.elected();
  const lost = a.lost();
  await server.restart({ fresh: true });
  await lost;
  expect(await a.elected()).toMatchObject({ id: "a" });
  await a.close();
});
