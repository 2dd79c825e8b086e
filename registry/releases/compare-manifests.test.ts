import { expect, test } from "vitest";
import type { VersionManifest } from "../state.ts";
import { sampleManifest } from "../testing/sample.ts";
import { compareManifests } from "./compare-manifests.ts";

type Method = VersionManifest["methods"][number];

const base = sampleManifest({ version: "1.0.0" });
const echo = (changes: Partial<Method>): Partial<VersionManifest> => ({
  methods: base.methods.map((method) => (method.name === "Echo" ? { ...method, ...changes } : method)),
});
const needs = (changes: Partial<VersionManifest["resources"]>): Partial<VersionManifest> => ({
  resources: { ...base.resources, ...changes },
});

/** Rule, before, after, severity, sentence; undefined where nobody notices. */
const rules: [string, Partial<VersionManifest>, Partial<VersionManifest>, string, string][] = [
  ["EXPOSURE", {}, { exposure: "internal" }, "breaking", "is no longer reached from outside the mesh"],
  [
    "EXPOSURE",
    { exposure: "internal" },
    {},
    "note",
    "is reached by everybody from outside the mesh from now on",
  ],
  [
    "SESSION_KEY",
    { sessionKey: "x-room" },
    {},
    "breaking",
    "no longer keeps calls with the same header x-room on one instance",
  ],
  [
    "SESSION_KEY",
    { sessionKey: "x-room" },
    { sessionKey: "x-user" },
    "breaking",
    "no longer keeps calls with the same header x-room on one instance, but those with the same x-user",
  ],
  [
    "SESSION_KEY",
    {},
    { sessionKey: "x-room" },
    "note",
    "keeps calls with the same header x-room on one instance",
  ],
  [
    "DEADLINE",
    {},
    echo({ deadlineMs: 500 }),
    "breaking",
    "shortens the deadline of `EchoService.Echo` to 500 ms from 10 s",
  ],
  [
    "DEADLINE",
    echo({ deadlineMs: 0 }),
    echo({ deadlineMs: 120_000 }),
    "breaking",
    "shortens the deadline of `EchoService.Echo` to 2 min from being without one",
  ],
  [
    "MODE",
    {},
    echo({ mode: "async" }),
    "breaking",
    "changes the mode of `EchoService.Echo` from sync to async",
  ],
  [
    "MODE",
    echo({ mode: "both" }),
    {},
    "breaking",
    "changes the mode of `EchoService.Echo` from both to sync",
  ],
  [
    "MODE",
    echo({ mode: "job" }),
    echo({ mode: "both" }),
    "breaking",
    "changes the mode of `EchoService.Echo` from job to both",
  ],
  ["MODE", {}, echo({ mode: "both" }), "note", "changes the mode of `EchoService.Echo` from sync to both"],
  [
    "IDEMPOTENCY",
    echo({ idempotency: "idempotent" }),
    {},
    "breaking",
    "says no more that `EchoService.Echo` may be repeated, as its callers' clients do",
  ],
  [
    "IDEMPOTENCY",
    echo({ idempotency: "no_side_effects" }),
    {},
    "breaking",
    "says no more that `EchoService.Echo` may be repeated, as its callers' clients do",
  ],
  [
    "IDEMPOTENCY",
    echo({ idempotency: "no_side_effects" }),
    echo({ idempotency: "idempotent" }),
    "note",
    "says no more that `EchoService.Echo` has no side effects",
  ],
  ["VERSION", { version: "1.1.0" }, {}, "note", "is an older version than 1.1.0"],
  ["MAX_INSTANCES", {}, { maxInstances: 2 }, "note", "lowers the most instances from 4 to 2"],
  [
    "MIN_INSTANCES",
    { minInstances: 2 },
    {},
    "note",
    "lowers the instances that stay from 2 to 0: a call may meet a cold start",
  ],
  [
    "MIN_INSTANCES",
    { minInstances: 2 },
    { minInstances: 1 },
    "note",
    "lowers the instances that stay from 2 to 1",
  ],
  [
    "TARGET_CONCURRENCY",
    {},
    { targetConcurrency: 5 },
    "note",
    "lowers the calls in progress of an instance from 10 to 5",
  ],
  ["RESOURCES", {}, needs({ cpu: 0.25 }), "note", "lowers the cores of an instance from 0.5 to 0.25"],
  [
    "RESOURCES",
    {},
    needs({ memory: 64 * 2 ** 20 }),
    "note",
    "lowers the memory of an instance from 128 MiB to 64 MiB",
  ],
  ["RESOURCES", needs({ gpu: 1 }), {}, "note", "lowers the GPUs of an instance from 1 to 0"],
  [
    "LABELS",
    {},
    needs({ labels: { disk: "ssd" } }),
    "note",
    "runs on hosts with the labels disk=ssd instead of any labels",
  ],
  [
    "START_TIMEOUT",
    {},
    { startTimeoutMs: 60_000 },
    "note",
    "holds a first call for up to 1 min instead of 10 s",
  ],
  [
    "IDLE_TIMEOUT",
    { idleTimeoutMs: 0 },
    {},
    "note",
    "goes back to nothing after 1 min without calls instead of never",
  ],
  [
    "LOAD_BALANCING",
    {},
    { loadBalancing: "least_request" },
    "note",
    "balances by least_request instead of round_robin",
  ],
  ["APPROVAL", { approval: "running" }, {}, "note", "asks for approval of nothing instead of running"],
];

test.each(rules)("MANIFEST_%s: %j, then %j", (rule, before, after, severity, message) => {
  const found = compareManifests({ ...base, ...after }, { ...base, ...before });
  const methods = message.includes("`EchoService.Echo`") ? ["Echo"] : [];
  expect(found).toEqual([{ rule: `MANIFEST_${rule}`, severity, message, methods }]);
});

test.each<[string, Partial<VersionManifest>, Partial<VersionManifest>]>([
  ["nothing", {}, {}],
  ["a newer version", {}, { version: "2.0.0" }],
  ["a longer deadline", {}, echo({ deadlineMs: 20_000 })],
  ["no deadline any more", {}, echo({ deadlineMs: 0 })],
  ["idempotency gained", {}, echo({ idempotency: "idempotent" })],
  [
    "more of everything",
    {},
    { maxInstances: 8, minInstances: 1, targetConcurrency: 20, ...needs({ cpu: 4 }) },
  ],
  ["words", {}, { summary: "Other.", description: "Other.", owner: "others" }],
  ["more to approve", {}, { approval: "running" }],
  ["a method that is gone: buf's matter", {}, { methods: base.methods.slice(1) }],
])("nobody notices %s", (_, before, after) => {
  expect(compareManifests({ ...base, ...after }, { ...base, ...before })).toEqual([]);
});
