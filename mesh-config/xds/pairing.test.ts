import { expect, test } from "vitest";
import { Pairing } from "./pairing.ts";

/** A stream that notes how often it was ended. */
function stream() {
  const made = { ended: 0, end: () => void made.ended++ };
  return made;
}

test("an Envoy that has both streams here is left alone", () => {
  const pairing = new Pairing();
  const [ads, lrs] = [stream(), stream()];
  pairing.configures(ads, () => "a");
  pairing.reports(lrs, "a");
  for (let now = 0; now < 100_000; now += 1_000) expect(pairing.check(now)).toEqual([]);
  expect([ads.ended, lrs.ended]).toEqual([0, 0]);
});

test("load reports of an Envoy that is configured elsewhere are ended", () => {
  const pairing = new Pairing();
  const lrs = stream();
  pairing.reports(lrs, "a");
  expect(pairing.check(0)).toEqual([]);
  expect(pairing.check(2_000)).toEqual([]);
  expect(pairing.check(3_000)).toEqual(["a"]);
  expect(pairing.check(9_000)).toEqual([]);
  expect(lrs.ended).toBe(1);
});

test("an Envoy that reports elsewhere is sent away, once in a while", () => {
  const pairing = new Pairing();
  const ads = stream();
  pairing.configures(ads, () => "a");
  pairing.check(0);
  expect(pairing.check(19_000)).toEqual([]);
  expect(pairing.check(20_000)).toEqual(["a"]);
  expect(pairing.check(200_000)).toEqual([]);
  expect(pairing.check(320_000)).toEqual(["a"]);
  expect(ads.ended).toBe(2);
});

test("the wait begins anew when the other stream was there meanwhile", () => {
  const pairing = new Pairing();
  const [ads, lrs] = [stream(), stream()];
  pairing.configures(ads, () => "a");
  pairing.check(0);
  pairing.reports(lrs, "a");
  pairing.check(15_000);
  pairing.gone(lrs);
  expect(pairing.check(25_000)).toEqual([]);
  expect(pairing.check(45_000)).toEqual(["a"]);
});

test("reports of an Envoy whose configuration waits to be let in are left alone", () => {
  const pairing = new Pairing();
  const [ads, lrs] = [stream(), stream()];
  let node = "";
  pairing.configures(ads, () => node);
  pairing.reports(lrs, "a");
  for (let now = 0; now < 60_000; now += 1_000) expect(pairing.check(now)).toEqual([]);
  node = "a";
  for (let now = 60_000; now < 120_000; now += 1_000) expect(pairing.check(now)).toEqual([]);
  expect([ads.ended, lrs.ended]).toEqual([0, 0]);
});
