import { afterAll, beforeAll, expect, test } from "vitest";
import { encodeCalls, METRICS, sendExport } from "../testing/otlp.ts";
import { type Rig, startRig } from "../testing/rig.ts";
import { formatFamilies } from "./family.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig?.close());

interface Sample {
  readonly name: string;
  readonly labels: Record<string, string>;
  readonly value: number;
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const LABEL = '[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\["\\\\n])*"';
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(${LABEL}(?:,${LABEL})*)\\})? (\\S+)$`);

/** Reads Prometheus' text format by its grammar; throws for anything that is not of it. */
function parse(text: string): Map<string, { type: string; samples: Sample[] }> {
  const families = new Map<string, { type: string; samples: Sample[] }>();
  const seen = new Set<string>();
  let current = "";
  expect(text.endsWith("\n")).toBe(true);
  for (const line of text.slice(0, -1).split("\n")) {
    const help = new RegExp(`^# HELP (${NAME}) (.+)$`).exec(line);
    const type = new RegExp(`^# TYPE (${NAME}) (counter|gauge|histogram)$`).exec(line);
    if (help !== null) current = help[1] ?? "";
    else if (type !== null) {
      expect(type[1]).toBe(current);
      expect(families.has(current), `${current} comes twice`).toBe(false);
      families.set(current, { type: type[2] ?? "", samples: [] });
    } else {
      const [, name = "", labels = "", value = ""] = SAMPLE.exec(line) ?? [];
      if (name === "") throw new Error(`no sample: ${line}`);
      const family = families.get(current);
      const base = family?.type === "histogram" ? name.replace(/_(bucket|sum|count)$/, "") : name;
      expect(base, line).toBe(current);
      expect(seen.has(`${name}{${labels}}`), `${line} comes twice`).toBe(false);
      seen.add(`${name}{${labels}}`);
      expect(Number.isNaN(Number(value)), line).toBe(false);
      const pairs = labels.match(new RegExp(LABEL, "g")) ?? [];
      const entries = pairs.map((pair) => [
        pair.slice(0, pair.indexOf("=")),
        pair.slice(pair.indexOf("=") + 2, -1),
      ]);
      family?.samples.push({ name, labels: Object.fromEntries(entries), value: Number(value) });
    }
  }
  for (const [name, { type, samples }] of families) if (type === "histogram") checkHistogram(name, samples);
  return families;
}

/** Buckets are cumulative, and the last one holds all. */
function checkHistogram(name: string, samples: readonly Sample[]): void {
  const without = ({ le: _, ...labels }: Record<string, string>) => JSON.stringify(labels);
  for (const { labels, value } of samples.filter((sample) => sample.name === `${name}_count`)) {
    const buckets = samples.filter(
      (sample) => sample.name === `${name}_bucket` && without(sample.labels) === without(labels),
    );
    const counts = buckets.map((sample) => sample.value);
    expect(counts).toEqual([...counts].sort((a, b) => a - b));
    expect(buckets.at(-1)?.labels.le).toBe("+Inf");
    expect(counts.at(-1)).toBe(value);
  }
}

test("/metrics tells usage, state and the process in Prometheus' format, and not through the edge", async () => {
  const calls = [
    ["Get", undefined, 0, 4],
    ["Get", undefined, 0, 400],
    ["Get", "b.v1.B", 5, 4],
  ] as const;
  await sendExport(rig.registry.address, METRICS, encodeCalls({ service: "a.v1.A" }, calls));
  const url = `http://${rig.registry.httpAddress}/metrics`;
  const response = await fetch(url);
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  const families = parse(await response.text());
  expect(families.get("rouse_calls_total")?.samples).toEqual([
    {
      name: "rouse_calls_total",
      labels: { service: "a.v1.A", version: "1.0.0", method: "Get", caller: "outside", code: "OK" },
      value: 2,
    },
    {
      name: "rouse_calls_total",
      labels: { service: "a.v1.A", version: "1.0.0", method: "Get", caller: "b.v1.B", code: "NOT_FOUND" },
      value: 1,
    },
  ]);
  const durations = families.get("rouse_call_duration_seconds")?.samples ?? [];
  const bucket = (le: string) => durations.find(({ labels }) => labels.le === le)?.value;
  expect([bucket("0.0025"), bucket("0.005"), bucket("0.25"), bucket("0.5"), bucket("+Inf")]).toEqual([
    0, 2, 2, 3, 3,
  ]);
  expect(durations.find(({ name }) => name.endsWith("_sum"))?.value).toBeCloseTo(0.408);
  expect(families.get("process_cpu_seconds_total")?.samples[0]?.value).toBeGreaterThan(0);
  const outside = await fetch(url, { headers: { "x-rouse-edge": "1" } });
  expect(await outside.text()).not.toContain("rouse_calls_total");
});

test("label values of any kind are escaped", () => {
  const value = 'a "quoted"\nline \\ and {braces}, ü';
  const text = formatFamilies([
    { name: "x", help: "A\nhelp.", type: "gauge", points: [{ labels: { l: value }, value: 1 }] },
  ]);
  const [sample] = parse(text).get("x")?.samples ?? [];
  expect(sample?.labels.l?.replace(/\\(.)/g, (_, c: string) => (c === "n" ? "\n" : c))).toBe(value);
});
