import fc from "fast-check";
import semver from "semver";
import { expect, test } from "vitest";
import { highestStable, specPatterns } from "./specs.ts";

function resolve(versions: readonly string[], spec: string): string[] {
  return specPatterns(versions)
    .filter(({ patterns }) => patterns.some((pattern) => new RegExp(`^(?:${pattern})$`).test(spec)))
    .map(({ version }) => version);
}

const small = fc.oneof(fc.nat(3), fc.nat(12), fc.constantFrom(99, 100, 109, 999, 1000, 1010));
const part = fc.oneof(
  fc.nat(20).map(String),
  fc.constantFrom("alpha", "beta", "rc", "rc1", "a", "A", "1a", "x-y", "-", "0a"),
);
const prerelease = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("."));
const version = fc
  .tuple(small, small, small, fc.option(prerelease, { freq: 2 }))
  .map(([a, b, c, pre]) => `${a}.${b}.${c}${pre === null ? "" : `-${pre}`}`);
const versions = fc.uniqueArray(version, { minLength: 1, maxLength: 8 });

/** Ranges near the versions, so that most of them say something. */
const range = (list: readonly string[]) =>
  fc
    .tuple(
      fc.constantFrom("^", "~", ""),
      fc.oneof(fc.constantFrom(...list), version),
      fc.integer({ min: 1, max: 3 }),
      fc.tuple(fc.nat(2), fc.nat(2), fc.nat(2)),
      fc.oneof(fc.constant(undefined), fc.constant(""), prerelease),
    )
    .map(([operator, base, length, [a, b, c], pre]) => {
      const parsed = new semver.SemVer(base);
      const numbers = [parsed.major - a, parsed.minor - b, parsed.patch - c].map((n) => Math.max(0, n));
      const kept = operator === "" ? Math.min(length, 2) : length;
      const text = numbers.slice(0, kept).join(".");
      const tail = pre ?? parsed.prerelease.join(".");
      return `${operator}${text}${kept === 3 && tail !== "" ? `-${tail}` : ""}`;
    });

test("a spec finds the version that npm's semver finds, and only that", () => {
  fc.assert(
    fc.property(
      versions.chain((list) => fc.tuple(fc.constant(list), range(list))),
      ([list, spec]) => {
        const expected = semver.maxSatisfying(list, spec);
        expect(resolve(list, spec)).toEqual(expected === null ? [] : [expected]);
      },
    ),
    { numRuns: 5_000 },
  );
});

test.each([
  ["^1.2.0", "1.10.3"],
  ["~1.4", "1.4.2"],
  ["1", "1.10.3"],
  ["1.4", "1.4.2"],
  ["^0.2.1", "0.2.5"],
  ["^0.0.3", "0.0.3"],
  ["^2.0.0-beta.1", "2.0.0-beta.2"],
])("%s is %s", (spec, expected) => {
  const list = ["0.0.3", "0.0.4", "0.2.5", "1.4.0", "1.4.2", "1.10.3", "2.0.0-beta.2"];
  expect(resolve(list, spec)).toEqual([expected]);
});

test.each(["", "^", "1.", "01", "^1.2.3.4", ">=1", "x", "1.4.2 ", "^1.10.4", "~1.5", "2"])(
  "%j finds nothing",
  (spec) => {
    expect(resolve(["1.4.2", "1.10.3", "2.0.0-beta.2"], spec)).toEqual([]);
  },
);

test("the newest stable version is the default", () => {
  expect(highestStable(["1.9.0", "1.10.0", "2.0.0-rc.1"])).toBe("1.10.0");
  expect(highestStable(["2.0.0-rc.1"])).toBeUndefined();
});
