import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { BundleRing } from "./bundle-ring.ts";

const digests = Array.from({ length: 1_000 }, (_, n) => createHash("sha256").update(String(n)).digest("hex"));
const hosts = Array.from({ length: 10 }, (_, n) => `h${n}`);
const firstTwo = (ring: BundleRing, digest: string) => [...ring.hostsFor(digest)].slice(0, 2);

test("names every host once, in an order that does not depend on how they are listed", () => {
  const [ring, other] = [new BundleRing(hosts), new BundleRing([...hosts, "h3"].reverse())];
  for (const digest of digests.slice(0, 50)) {
    const order = [...ring.hostsFor(digest)];
    expect([...order].sort()).toEqual(hosts);
    expect([...other.hostsFor(digest)]).toEqual(order);
  }
});

test("gives no host much more than its share", () => {
  const ring = new BundleRing(hosts);
  const counts = new Map<string, number>();
  for (const digest of digests)
    for (const host of firstTwo(ring, digest)) counts.set(host, (counts.get(host) ?? 0) + 1);
  expect(counts.size).toBe(hosts.length);
  // 200 each would be even.
  for (const count of counts.values()) expect(count).toBeLessThan(400);
});

test("a host that goes moves only what it had, and one of the two copies of that stays", () => {
  const [before, after] = [new BundleRing(hosts), new BundleRing(hosts.slice(1))];
  for (const digest of digests) {
    const [was, is] = [firstTwo(before, digest), firstTwo(after, digest)];
    if (!was.includes("h0")) expect(is).toEqual(was);
    else expect(is).toEqual(expect.arrayContaining(was.filter((host) => host !== "h0")));
  }
});

test("without hosts there is nobody to keep one", () => {
  expect([...new BundleRing([]).hostsFor(digests[0] ?? "")]).toEqual([]);
});
