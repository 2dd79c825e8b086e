import { describe, expect, test } from "vitest";
import { whatWouldHelp } from "./changes.ts";
import type { PlaceableHost } from "./host.ts";
import type { Needs } from "./needs.ts";
import { judge, place } from "./place.ts";
import { filled, gib, host, needs, rules, running } from "./testing/fleet.ts";
import { obey } from "./testing/obey.ts";

const strict = { strict: true, weight: 50 };
const soft = { strict: false, weight: 50 };

describe("a host is chosen", () => {
  test("that is the fuller one of those with room", () => {
    expect(place(needs(), [host("a"), filled("b", 0.5), host("c", { mode: "cordoned" })])).toEqual({
      host: "b",
      why: "best of 2 that fit, of 3 hosts: 0.82 = fit 0.82",
    });
  });

  test("by name where all else is equal, whatever the order", () => {
    expect(place(needs(), [host("b"), host("a")]).host).toBe("a");
  });

  test("that has fewest instances of the version, though it is emptier", () => {
    const crowded = running("a", "a.v1.Service", 1, { used: { cpu: 3, memory: 6 * gib, gpu: 0 } });
    expect(place(needs(), [crowded, host("b")]).host).toBe("b");
    expect(place(needs({ version: "2.0.0" }), [crowded, host("b")]).host).toBe("a");
  });

  test("in the zone with fewest instances", () => {
    const hosts = [
      running("a", "a.v1.Service", 2, { zone: "east" }),
      host("b", { zone: "east" }),
      running("c", "a.v1.Service", 1, { zone: "west" }),
    ];
    const overZones = rules({ spread: [{ over: "zone", strict: false, weight: 100 }] });
    expect(place(needs({ rules: overZones }), hosts).host).toBe("c");
  });

  test("near what the contract wants, and not beside what it avoids", () => {
    const hosts = [host("a"), host("b", { labels: { disk: "ssd" } }), running("c", "b.v1.Cache", 1)];
    const nearDisk = rules({ affinity: [{ label: "disk=ssd", ...soft }] });
    const nearCache = rules({ affinity: [{ service: "b.v1.Cache", ...soft }] });
    const apart = rules({
      antiAffinity: [
        { service: "b.v1.Cache", ...soft },
        { label: "disk=ssd", ...soft },
      ],
    });
    expect(place(needs({ rules: nearDisk }), hosts).host).toBe("b");
    expect(place(needs({ rules: nearCache }), hosts).host).toBe("c");
    expect(place(needs({ rules: apart }), hosts).host).toBe("a");
  });

  test("that is fast, or cheap for what the instance takes of it", () => {
    const hosts = [
      host("big", { cpu: 16, memory: 64 * gib, costPerHour: 1 }),
      host("fast", { speed: 2, costPerHour: 1 }),
      host("small", { costPerHour: 0.5 }),
    ];
    expect(place(needs({ rules: rules({ prefer: "fast" }) }), hosts).host).toBe("fast");
    expect(place(needs({ rules: rules({ prefer: "cheap" }) }), hosts).host).toBe("big");
  });

  test("near its callers, and where its bundle is", () => {
    const hosts = [host("a"), host("b", { zone: "west" }), host("c")];
    expect(place(needs({ callers: new Map([["west", 0.9]]) }), hosts).host).toBe("b");
    const prepared = host("c", { prepared: new Set(["digest"]) });
    expect(place(needs({ artifact: "digest" }), [host("a"), prepared]).host).toBe("c");
    expect(place(needs({ artifact: "other" }), [host("a"), prepared]).host).toBe("a");
  });

  test("where nothing went wrong lately, unless there is no other", () => {
    const blamed = filled("a", 0.8, 0.8, { blame: 0.9 });
    expect(place(needs(), [blamed, host("b")]).host).toBe("b");
    const failedOn = new Set(["a"]);
    expect(place(needs({ failedOn }), [host("a"), running("b", "a.v1.Service", 1)]).host).toBe("b");
    expect(place(needs({ failedOn }), [host("a")]).host).toBe("a");
  });
});

describe("no host is chosen", () => {
  /** What is said; each change that it names is tried. */
  const reason = (asked: Needs, hosts: readonly PlaceableHost[]) => {
    const said = place(asked, hosts).reason;
    for (const change of whatWouldHelp(asked, hosts)) {
      if (change.startsWith("loosen the contract")) continue;
      const after = obey(change, { needs: asked, hosts });
      expect([change, place(after.needs, after.hosts).reason]).toEqual([change, undefined]);
    }
    return said;
  };

  test("when there is none, or none answers", () => {
    const none = 'no host has announced itself; start an agent with "rouse agent" or "rouse up"';
    expect(place(needs(), [])).toEqual({ reason: none, empty: true });
    expect(place(needs(), [host("b", { mode: "away" }), host("a", { mode: "away" })])).toEqual({
      reason: 'no host answers (a, b); see to their agents, or start another by "rouse up --join"',
      empty: true,
    });
  });

  test("and why is put into words when somebody reads it, not at each look of a plan", () => {
    const hosts = [host("a", { mode: "cordoned" })];
    const placement = place(needs(), hosts);
    hosts.push(host("b", { mode: "cordoned" }));
    expect(placement.reason).toContain("a is cordoned; b is cordoned");
  });

  test("without saying of each what it lacks", () => {
    const hosts = [filled("cores", 3.75 / 4, 0), filled("memory", 0, 1 - 1 / 8192)];
    expect(reason(needs(), hosts)).toBe(
      "no host fits: cores has 0.25 of 4 cores free, 0.5 needed; memory has 1 of 8192 MiB free, 256 MiB needed. " +
        "What would help: free 255 MiB on memory, or free 0.25 cores on cores",
    );
    expect(reason(needs({ gpu: 1 }), [host("a")])).toBe(
      "no host fits: a has 0 of 0 GPUs free, 1 needed. What would help: add a host with 0.5 cores, 256 MiB memory, 1 GPU",
    );
    expect(reason(needs({ cpu: 8, memory: 16 * gib }), [host("a")])).toBe(
      "no host fits: a has 4 of 4 cores free, 8 needed, and 8192 of 8192 MiB free, 16384 MiB needed. " +
        "What would help: add a host with 8 cores, 16 GiB memory",
    );
  });

  test("without saying what of it jobs have", () => {
    const jobs = { cpu: 2.5, memory: gib, gpu: 0 };
    const taken = host("a", { used: { cpu: 3.75, memory: 2 * gib, gpu: 0 }, jobs });
    expect(reason(needs(), [taken])).toBe(
      "no host fits: a has 0.25 of 4 cores free (jobs have 2.5), 0.5 needed. What would help: free 0.25 cores on a",
    );
  });

  test("without naming the smallest changes only", () => {
    const hosts = [
      filled("b", 1, 0),
      host("c", { mode: "cordoned" }),
      filled("d", 1, 1, { mode: "draining" }),
      host("e", { mode: "maintenance" }),
      host("f", { mode: "away" }),
    ];
    expect(reason(needs(), hosts)).toBe(
      "no host fits: b has 0 of 4 cores free, 0.5 needed; c is cordoned; d is being drained; e is in maintenance; f does not answer. " +
        "What would help: uncordon c, or free 0.5 cores on b, or uncordon e",
    );
  });

  test("beside more than five hosts without a word on the rest", () => {
    const hosts = ["g", "f", "e", "d", "c", "b", "a"].map((name) => host(name, { mode: "cordoned" }));
    expect(reason(needs(), hosts)).toBe(
      "no host fits: a is cordoned; b is cordoned; c is cordoned; d is cordoned; e is cordoned; and 2 more. " +
        "What would help: uncordon a, or uncordon b, or uncordon c",
    );
  });

  test("that has not the labels which the contract asks for", () => {
    const labelled = host("a", { labels: { disk: "hdd" } });
    const said = "no host fits: a lacks the label disk=ssd. What would help: give a the label disk=ssd";
    expect(reason(needs({ labels: { disk: "ssd" } }), [labelled])).toBe(said);
    const rule = rules({ affinity: [{ label: "disk=ssd", ...strict }] });
    expect(reason(needs({ rules: rule }), [labelled])).toBe(said);
    const avoided = rules({ antiAffinity: [{ label: "disk=hdd", ...strict }] });
    expect(reason(needs({ rules: avoided }), [labelled])).toBe(
      "no host fits: a has the label disk=hdd, which the contract avoids. What would help: take the label disk=hdd from a",
    );
  });

  test("that runs no images, for an image", () => {
    expect(reason(needs({ image: true }), [host("a", { runtime: "process" })])).toBe(
      "no host fits: a runs no images (its runtime is process). What would help: run the agent of a with --runtime docker",
    );
    expect(place(needs({ image: true }), [host("a", { runtime: "docker" })]).host).toBe("a");
  });

  test("that has an instance already, where the contract keeps them apart", () => {
    const apart = (over: string) => needs({ rules: rules({ spread: [{ over, ...strict }] }) });
    const zoned = [running("a", "a.v1.Service", 1, { zone: "east" }), host("b", { zone: "east" })];
    expect(place(apart("host"), zoned).host).toBe("b");
    expect(reason(apart("host"), zoned.slice(0, 1))).toBe(
      "no host fits: a runs an instance of it already. What would help: add a host with 0.5 cores, 256 MiB memory",
    );
    expect(reason(apart("zone"), zoned.slice(1).concat(zoned[0] ?? []))).toBe(
      "no host fits: a is in zone east, which has an instance of it already; b is in zone east, which has an instance of it already. " +
        "What would help: add a host of another zone with 0.5 cores, 256 MiB memory",
    );
    expect(reason(apart("rack"), [running("a", "a.v1.Service", 1)])).toBe(
      "no host fits: a has no rack, and neither has a host that runs an instance of it already. What would help: add a host of another rack with 0.5 cores, 256 MiB memory",
    );
  });

  test("that is beside a service from which either keeps apart", () => {
    const beside = [running("a", "b.v1.Noisy", 1)];
    const apart = rules({ antiAffinity: [{ service: "b.v1.Noisy", ...strict }] });
    expect(reason(needs({ rules: apart }), beside)).toBe(
      "no host fits: a runs b.v1.Noisy, from which it keeps apart. What would help: move b.v1.Noisy off a",
    );
    const near = rules({ affinity: [{ service: "b.v1.Cache", ...strict }] });
    expect(reason(needs({ rules: near }), beside)).toBe(
      "no host fits: a runs no instance of b.v1.Cache. What would help: start b.v1.Cache on a",
    );
    const shy = running("a", "b.v1.Shy", 1, { repels: new Map([["a.v1.Service", new Set(["b.v1.Shy"])]]) });
    expect(reason(needs(), [shy])).toBe(
      "no host fits: a runs b.v1.Shy, which keeps apart from it. What would help: move b.v1.Shy off a",
    );
  });

  test("that is too small without saying all that one would have to be", () => {
    const asked = {
      cpu: 8,
      memory: gib,
      gpu: 1,
      image: true,
      labels: { disk: "ssd" },
      rules: rules({
        spread: [{ over: "zone", ...strict }],
        affinity: [{ service: "b.v1.Cache", ...strict }],
        antiAffinity: [{ label: "net=slow", ...strict }],
        maxCostPerHour: 3,
      }),
    };
    expect(reason(needs(asked), [host("a", { cpu: 2, gpu: 1, runtime: "process" })])).toMatch(
      /What would help: add a host of another zone with 8 cores, 1 GiB memory, 1 GPU, label disk=ssd, no label net=slow, runtime docker, at most 3 of cost per hour and start b\.v1\.Cache there$/,
    );
    const another = [host("a", { cpu: 2 }), host("b", { cpu: 16, labels: { disk: "hdd" } })];
    expect(reason(needs({ cpu: 8, labels: { disk: "ssd" } }), another)).toMatch(
      /What would help: give b the label disk=ssd$/,
    );
  });

  test("where a change for one rule would break another, or mends that too, and where none can help", () => {
    const apart = rules({
      spread: [{ over: "disk", ...strict }],
      affinity: [{ label: "disk=ssd", ...strict }],
    });
    const ssd = running("a", "a.v1.Service", 1, { labels: { disk: "ssd" } });
    expect(reason(needs({ rules: apart }), [ssd, host("b", { labels: { disk: "hdd" } })])).toMatch(
      /What would help: loosen the contract: no host can be all that it asks for$/,
    );
    const avoids = rules({ antiAffinity: [{ label: "disk=hdd", ...strict }] });
    expect(
      reason(needs({ rules: avoids, labels: { disk: "ssd" } }), [host("b", { labels: { disk: "hdd" } })]),
    ).toMatch(/What would help: give b the label disk=ssd$/);
    const zoned = needs({ labels: { zone: "east" } });
    expect(reason(zoned, [host("a", { zone: "west" })])).toMatch(
      /What would help: add a host with 0\.5 cores, 256 MiB memory, label zone=east$/,
    );
    expect(reason(needs({ labels: { host: "a" }, cpu: 8 }), [host("a"), host("b")])).toMatch(
      /What would help: loosen the contract/,
    );
    const itself = rules({ affinity: [{ service: "a.v1.Service", ...strict }] });
    expect(reason(needs({ rules: itself }), [host("a")])).toMatch(/What would help: loosen the contract/);
  });

  test("that would cost more than the contract allows, those that run included", () => {
    const limit = rules({ maxCostPerHour: 0.2 });
    const price = { costPerHour: 1 };
    // An eighth of the host's cores, so 0.125 an hour each.
    expect(place(needs({ rules: limit }), [host("a", price)]).host).toBe("a");
    expect(reason(needs({ rules: limit }), [running("a", "a.v1.Service", 1, price)])).toBe(
      "no host fits: a would bring the cost to 0.25 per hour, 0.2 allowed. What would help: raise max_cost_per_hour to 0.25",
    );
  });
});

test("every host is judged, the best first and those that do not fit last", () => {
  const hosts = [
    host("full", { used: { cpu: 4, memory: 0, gpu: 0 } }),
    running("one", "a.v1.Service", 1, { zone: "east" }),
    filled("half", 0.5, 0.5, { blame: 0.1 }),
  ];
  const verdicts = judge(needs(), hosts);
  expect(verdicts.map(({ host: { name }, fits }) => [name, fits])).toEqual([
    ["half", true],
    ["one", true],
    ["full", false],
  ]);
  const [half, one] = verdicts;
  expect(half?.fits === true && half.terms.map(({ name, why }) => `${name}: ${why}`)).toEqual([
    "fit: 63 % of its cores and 53 % of its memory would be given away",
    "blame: instances failed there lately",
  ]);
  expect(
    one?.fits === true && one.terms.map(({ name, score, why }) => [name, Math.round(score * 100) / 100, why]),
  ).toEqual([
    ["fit", 0.18, "13 % of its cores and 3 % of its memory would be given away"],
    ["apart", -1, "it has 1, others 0"],
  ]);
});
