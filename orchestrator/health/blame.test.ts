import fc from "fast-check";
import { expect, test } from "vitest";
import { BLAME_WINDOW_MS, blame, type Outcome } from "./blame.ts";

const NOW = 1_000_000;

/** "a1!" is version a on host 1, failed; "a1" the same, well. */
function outcomes(text: string): Outcome[] {
  return text
    .split(" ")
    .filter((word) => word !== "")
    .map((word) => {
      const failed = word.endsWith("!");
      return {
        version: word.slice(0, 1),
        host: word.slice(1, 2),
        failed,
        reason: failed ? "it exited with code 3" : "",
        atMs: NOW,
      };
    });
}

const blamed = (text: string) => {
  const { hosts, versions } = blame(outcomes(text), NOW);
  return [...versions.keys(), ...hosts.keys()].sort().join(" ");
};

test.each([
  ["nothing happened", "", ""],
  ["all is well", "a1 b1 a2 b2", ""],
  ["one failure", "a1! b1 a2", ""],
  ["one version fails on two hosts where others run", "a1! a2! b1 b2", "a"],
  ["three versions fail on one host and run elsewhere", "a1! b1! c1! a2 b2 c2", "1"],
  ["two versions that fail on one host say too little", "a1! b1! a2 b2", ""],
  ["three versions fail on the only host there is", "a1! b1! c1!", "1"],
  ["most of what a host was given runs", "a1! b1! c1! d1 e1 f1 g1", ""],
  ["a bad version and a bad host at once", "a1! a2! a3! b1! c1! d1! b2 c2 d2 b3", "1 a"],
  ["a version that fails everywhere blames no host", "a1! a2! a3! b1 b2 b3", "a"],
  ["what runs on most hosts is not to blame", "a1! a2! a3 a4 a5 b1 b2", ""],
])("%s", (_, text, expected) => {
  expect(blamed(text)).toBe(expected);
});

test("says how much failed, and how the latest did", () => {
  const { hosts } = blame(outcomes("a1! b1! c1! d1"), NOW);
  expect(hosts.get("1")).toBe(
    "3 of the 4 versions that it was given failed on it; the latest: a, it exited with code 3",
  );
  const { versions } = blame(outcomes("a1! a2! a3"), NOW);
  expect(versions.get("a")).toBe(
    "it failed on 2 of the 3 hosts that were tried; the latest: on 1, it exited with code 3",
  );
});

test("leaves out what it printed: the version's own message has that", () => {
  const told = outcomes("a1! a2!").map((outcome) => ({
    ...outcome,
    reason: "it exited with code 3. Its last output:\nno data",
  }));
  expect(blame(told, NOW).versions.get("a")).toMatch(/ on 1, it exited with code 3$/);
});

test("what was long ago, or went well since, counts no more", () => {
  const old = outcomes("a1! b1! c1!").map((outcome) => ({ ...outcome, atMs: NOW - BLAME_WINDOW_MS - 1 }));
  expect(blame(old, NOW).hosts.size).toBe(0);
  const before = outcomes("a1! b1! c1!").map((outcome) => ({ ...outcome, atMs: NOW - 1 }));
  expect(blame([...before, ...outcomes("a1 b1 c1")], NOW).hosts.size).toBe(0);
});

const name = (prefix: string) => fc.integer({ min: 0, max: 5 }).map((n) => `${prefix}${n}`);
const anyOutcomes = fc.array(
  fc.record({
    version: name("v"),
    host: name("h"),
    failed: fc.boolean(),
    reason: fc.constantFrom("x", "y"),
    atMs: fc.integer({ min: NOW - 2 * BLAME_WINDOW_MS, max: NOW }),
  }),
  { maxLength: 60 },
);

test("the order of what happened does not matter", () => {
  fc.assert(
    fc.property(anyOutcomes, fc.infiniteStream(fc.nat()), (list, random) => {
      const keyed = list.map((outcome) => ({ outcome, key: random.next().value as number }));
      const shuffled = keyed.sort((a, b) => a.key - b.key).map(({ outcome }) => outcome);
      expect(blame(shuffled, NOW)).toEqual(blame(list, NOW));
    }),
  );
});

test("who is blamed failed itself, at least half of the times", () => {
  fc.assert(
    fc.property(anyOutcomes, (list) => {
      const { hosts, versions } = blame(list, NOW);
      const newest = new Map<string, Outcome>();
      for (const one of list) {
        if (NOW - one.atMs > BLAME_WINDOW_MS) continue;
        const key = `${one.version} ${one.host}`;
        const known = newest.get(key);
        if (known === undefined || one.atMs > known.atMs || (one.atMs === known.atMs && one.failed))
          newest.set(key, one);
      }
      const all = [...newest.values()];
      for (const host of hosts.keys()) {
        const own = all.filter((one) => one.host === host);
        expect(own.filter(({ failed }) => failed).length).toBeGreaterThanOrEqual(own.length / 2);
      }
      for (const version of versions.keys()) {
        const own = all.filter((one) => one.version === version);
        expect(own.filter(({ failed }) => failed).length).toBeGreaterThanOrEqual(own.length / 2);
      }
    }),
  );
});

test("one bad host among good ones is found, and nothing else", () => {
  fc.assert(
    fc.property(fc.integer({ min: 3, max: 6 }), fc.integer({ min: 2, max: 6 }), (versions, hosts) => {
      const list: Outcome[] = [];
      for (let v = 0; v < versions; v++)
        for (let h = 0; h < hosts; h++)
          list.push({
            version: `v${v}`,
            host: `h${h}`,
            failed: h === 0,
            reason: h === 0 ? "x" : "",
            atMs: NOW,
          });
      const found = blame(list, NOW);
      expect([...found.hosts.keys()]).toEqual(["h0"]);
      expect(found.versions.size).toBe(0);
    }),
  );
});

test("one bad version among good ones is found, and nothing else", () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 6 }), fc.integer({ min: 2, max: 6 }), (versions, hosts) => {
      const list: Outcome[] = [];
      for (let v = 0; v < versions; v++)
        for (let h = 0; h < hosts; h++)
          list.push({
            version: `v${v}`,
            host: `h${h}`,
            failed: v === 0,
            reason: v === 0 ? "x" : "",
            atMs: NOW,
          });
      const found = blame(list, NOW);
      expect([...found.versions.keys()]).toEqual(["v0"]);
      expect(found.hosts.size).toBe(0);
    }),
  );
});
