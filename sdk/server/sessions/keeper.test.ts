import { Client, credentials } from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import { RouseError } from "../../errors.ts";
import type { SessionHooks } from "../types.ts";
import { type PeerSet, SessionKeeper } from "./keeper.ts";
import type { Peer } from "./peers.ts";

/* Keepers that talk to each other directly; behind a real Envoy they are tested in mesh-config/sessions.test.ts. */

const quiet = { info: () => {}, error: () => {} };
const grpc = new Client("127.0.0.1:1", credentials.createInsecure());

/** Instances by id, each with a keeper that knows the others. */
function made(ids: readonly string[], hooks: (id: string) => SessionHooks = () => ({}), handOverMs = 1_000) {
  const gone = new Set<string>();
  const keepers = new Map(
    ids.map((id) => {
      const keeper = new SessionKeeper<undefined>({
        times: { idleMs: 60_000, retireMs: 60_000, handOverMs },
        hooks: hooks(id),
        state: () => undefined,
        log: quiet,
        ownId: () => id,
      });
      return [id, keeper] as const;
    }),
  );
  const get = (id: string) => keepers.get(id) as SessionKeeper<undefined>;
  const peers = ids.map(
    (id): Peer => ({
      id,
      address: id,
      grpc,
      get retiring() {
        return get(id).retiring;
      },
      set retiring(_) {},
      find: async (key, asker) => get(id).find(key, asker),
      handOver: async (key) => ({ state: Buffer.from(await get(id).handOver(key)) }),
      takeOver: async (key, state) => {
        await get(id).takeOver(key, state);
        return {};
      },
    }),
  );
  for (const [id, keeper] of keepers) {
    const others = () => peers.filter((peer) => peer.id !== id && !gone.has(peer.id));
    const set: PeerSet = {
      known: Promise.resolve(),
      all: others,
      has: (peer) => !gone.has(peer.id),
      report: () => {},
      close: () => {},
    };
    keeper.meet(set);
  }
  onTestFinished(() => {
    for (const keeper of keepers.values()) keeper.close();
  });
  /** Where a call of the key goes that came to the instance: the id of the peer, or its own. */
  const place = async (id: string, key: string, hops = 0) => {
    const found = await get(id).place(key, hops);
    return "peer" in found ? found.peer.id : id;
  };
  /** The mesh says so. */
  const goes = (id: string) => void gone.add(id);
  return { get, place, goes };
}

const moving =
  (moved: string[] = []) =>
  (id: string): SessionHooks => ({
    handOver: (key) => Buffer.from(`${key} of ${id}`),
    takeOver: (_, bytes) => void moved.push(`${bytes} to ${id}`),
  });

test("a session lives where its first call came, whoever is called later", async () => {
  const { place } = made(["a", "b", "c"]);
  expect(await place("b", "k")).toBe("b");
  expect(await Promise.all(["a", "b", "c"].map((id) => place(id, "k")))).toEqual(["b", "b", "b"]);
});

test("first calls that come to several instances at once agree", async () => {
  const { place, get } = made(["a", "b", "c"]);
  await Promise.all(["c", "a", "b"].map((id) => place(id, "k")));
  const live = ["a", "b", "c"].filter((id) => get(id).live > 0);
  expect(live).toEqual(["a"]);
});

test("who retires begins no session while there is somebody else, and keeps those that it has", async () => {
  const { place, get } = made(["a", "b"]);
  await place("a", "old");
  get("a").retire();
  expect(await place("a", "new")).toBe("b");
  expect(await place("b", "old")).toBe("a");
});

test("with hooks a session is fetched from one that retires by whoever gets its call", async () => {
  const moved: string[] = [];
  const { place, get } = made(["a", "b"], moving(moved));
  await place("a", "k");
  const { table } = get("a");
  const session = table.get("k", performance.now());
  if (session === undefined) throw new Error("the session does not live");
  table.enter(session);
  get("a").retire();
  // Its open call is waited for.
  const fetched = place("b", "k");
  table.leave(session, performance.now());
  expect(await fetched).toBe("b");
  expect(moved).toEqual(["k of a to b"]);
  expect([get("a").live, get("b").live]).toEqual([0, 1]);
});

test("what was pushed to one and is called at another goes on to that one", async () => {
  const moved: string[] = [];
  const { place, get } = made(["a", "b", "c"], moving(moved));
  await place("a", "k");
  await get("a").end();
  const [holder, other] = get("b").live > 0 ? ["b", "c"] : ["c", "b"];
  expect(get(holder).live).toBe(1);
  expect(await place(other, "k")).toBe(other);
  expect([get(holder).live, get(other).live]).toEqual([0, 1]);
  // From there it does not move any more.
  expect(await place(holder, "k")).toBe(other);
});

/** Hooks of which those to take over wait until they are let go. */
function slow(moved: string[] = []) {
  const called = Promise.withResolvers<void>();
  const { promise, resolve: letGo } = Promise.withResolvers<void>();
  const hooks = (id: string): SessionHooks => ({
    handOver: (key) => Buffer.from(`${key} of ${id}`),
    async takeOver(_, bytes) {
      called.resolve();
      await promise;
      moved.push(`${bytes} to ${id}`);
    },
  });
  return { hooks, called: called.promise, letGo };
}

test("a session on its way to who fetched it lives there already", async () => {
  const { hooks, called, letGo } = slow();
  const { place, get } = made(["a", "b", "c"], hooks);
  await place("a", "k");
  const session = get("a").here("k");
  if (session === undefined) throw new Error("the session does not live");
  // It is not pushed.
  get("a").table.enter(session);
  get("a").retire();
  const fetched = place("c", "k");
  get("a").table.leave(session, performance.now());
  await called;
  // By their ids neither of the two gives way to c.
  const others = [place("a", "k", 1), place("b", "k")];
  letGo();
  expect(await fetched).toBe("c");
  expect(await Promise.all(others)).toEqual(["c", "c"]);
  expect(["a", "b", "c"].map((id) => get(id).live)).toEqual([0, 0, 1]);
});

test("a session that is fetched while others are pushed is given away once", async () => {
  const moved: string[] = [];
  const { hooks, called, letGo } = slow(moved);
  const { place, get } = made(["a", "b"], hooks);
  const keys = Array.from({ length: 9 }, (_, n) => `k${n}`);
  for (const key of keys) await place("a", key);
  const [ended] = [get("a").end(), await called];
  // Eight go together, the last ones first.
  const fetched = place("b", "k0");
  await expect.poll(() => get("a").table.get("k0", performance.now())).toBe(undefined);
  letGo();
  await Promise.all([ended, fetched]);
  expect(moved.toSorted()).toEqual(keys.map((key) => `${key} of a to b`));
});

test("who asked the taker too early is told by the giver, and asks again", async () => {
  const moved: string[] = [];
  const { place, get } = made(["a", "b", "c"], moving(moved));
  await place("a", "k");
  await get("a").end();
  const [taker, asker] = get("b").live > 0 ? ["b", "c"] : ["c", "b"];
  const find = get(taker).find.bind(get(taker));
  get(taker).find = () => {
    get(taker).find = find;
    return { there: false, movable: false, claimed: false, moved: false };
  };
  expect(await place(asker, "k")).toBe(asker);
  expect(moved).toEqual([`k of a to ${taker}`, `k of ${taker} to ${asker}`]);
});

test("a session that was to be fetched from one that has gone is looked for again", async () => {
  const { place, get, goes } = made(["a", "b"], moving());
  await place("a", "k");
  get("a").handOver = () => {
    goes("a");
    throw new RouseError("UNAVAILABLE", "Connection dropped");
  };
  get("a").retire();
  expect(await place("b", "k")).toBe("b");
});

test("who ends waits for open calls, to hand their sessions over too", async () => {
  const moved: string[] = [];
  const { place, get } = made(["a", "b"], moving(moved));
  await place("a", "k");
  const session = get("a").here("k");
  if (session === undefined) throw new Error("the session does not live");
  get("a").table.enter(session);
  const ended = get("a").end();
  setTimeout(() => get("a").table.leave(session, performance.now()), 10);
  await ended;
  expect(moved).toEqual(["k of a to b"]);
});

test("who ends with nobody to take its sessions is done at once", async () => {
  const { place, get } = made(["a"], moving());
  await place("a", "k");
  await get("a").end();
  expect(get("a").live).toBe(1);
});

test("a session with a call that lasts stays, and so does one whose hook fails or is late", async () => {
  const hooks = (): SessionHooks => ({
    handOver: (key) => {
      if (key === "fails") throw new RouseError("INTERNAL", "It cannot be written.");
      return new Promise(() => {});
    },
  });
  const { place, get } = made(["a", "b"], hooks, 50);
  const errors: Record<string, unknown> = {};
  for (const key of ["lasts", "fails", "hangs"]) {
    await place("a", key);
    const session = get("a").here(key);
    if (key === "lasts" && session !== undefined) get("a").table.enter(session);
    errors[key] = await get("a")
      .handOver(key)
      .catch(({ status, reason, message }: RouseError) => ({ status, reason, message }));
  }
  expect(errors).toEqual({
    lasts: {
      status: "FAILED_PRECONDITION",
      reason: "SESSION_STAYS",
      message: "The session stays: it has calls that last.",
    },
    fails: { status: "INTERNAL", reason: "INTERNAL", message: "It cannot be written." },
    hangs: {
      status: "DEADLINE_EXCEEDED",
      reason: "SESSION_HAND_OVER_LATE",
      message: "The session was not handed over within 50 ms.",
    },
  });
  expect(get("a").live).toBe(3);
  get("a").retire();
  expect(await place("b", "hangs")).toBe("a");
});

test("what does not live there is not handed over, and who retires takes nothing", async () => {
  const { get } = made(["a"], moving());
  await expect(get("a").handOver("k")).rejects.toMatchObject({
    status: "NOT_FOUND",
    reason: "SESSION_ELSEWHERE",
    message: "The session does not live at a.",
  });
  get("a").retire();
  await expect(get("a").takeOver("k", Buffer.of())).rejects.toMatchObject({
    status: "FAILED_PRECONDITION",
    reason: "SESSION_REFUSED",
    message: "This instance retires and takes no sessions.",
  });
});

test("who comes back takes sessions again", async () => {
  const { place, get } = made(["a", "b"], moving());
  get("a").retire();
  get("a").stay();
  expect(await place("a", "k")).toBe("a");
  await get("a").end();
  get("a").stay();
  expect(await place("a", "new")).toBe("b");
});

test("a call goes round no more than three times", async () => {
  const { place } = made(["a", "b"]);
  await place("b", "k");
  expect(await place("a", "k", 3)).toBe("a");
});
