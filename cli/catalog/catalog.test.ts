import { afterAll, beforeAll, expect, test } from "vitest";
import { GENOME_PROTO, genomeManifest } from "../../registry/catalog/testing/genome.ts";
import { type Rig, startRig } from "../../registry/testing/rig.ts";
import { sampleManifest, sampleRequest } from "../../registry/testing/sample.ts";
import { unary } from "../../sdk/grpc.ts";
import { rouse } from "../../test/support/rouse.ts";
import { harmless, wrap } from "./text.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
  const register = async (...request: Parameters<typeof sampleRequest>) =>
    unary(rig.client, "registerVersion", sampleRequest(...request));
  await register(await genomeManifest("1.0.0"), { tags: ["release"] });
  const other = GENOME_PROTO.replace("string bases = 1;", "bytes bases = 1;");
  await register(await genomeManifest("1.1.0", {}, other));
  await register(sampleManifest());
}, 60_000);
afterAll(() => rig?.close());

async function run(...args: string[]): Promise<{ code: number; out: string }> {
  const { code, stdout, stderr } = await rouse([...args, "--registry", rig.registry.address]);
  return { code, out: `${stdout}${stderr}`.trimEnd() };
}

test("rouse search finds with typos, says where, and takes filters", async () => {
  expect(await run("search", "maskd", "sequence")).toEqual({
    code: 0,
    out: [
      "genome.v1.GenomeService",
      "  cold · 1.0.0 · 2 versions · release · tests",
      "  Says it again.",
      "  method GetSequence: GetSequence",
      "  message GetSequenceRequest: GetSequenceRequest",
      "  message GetSequenceResponse: GetSequenceResponse",
      "  comment of GetSequence: Bases of a region, with soft-masked repeats.",
    ].join("\n"),
  });
  const all = await run("search", "--limit", "1");
  expect(all.out).toContain("1 more; --limit shows them");
  expect((await run("search", "--gpu")).out).toBe("nothing was found");
  expect(
    (await run("search", "--state", "cold", "--max-cpu", "1", "echo", "--max-memory", "1Gi")).out,
  ).toContain("sample.v1.EchoService");
  const json = JSON.parse((await run("search", "echo", "--json")).out) as { total: number };
  expect(json.total).toBe(1);
});

test("rouse search says what it cannot search", async () => {
  expect((await run("search", "--max-memory", "much")).out).toContain(
    '"much" is no amount of memory: give one such as 512Mi or 2Gi.',
  );
  expect((await run("search", "--max-cpu", "none")).out).toContain(
    '"none" is no number of cores: give one such as 2 or 0.5.',
  );
  const long = await run("search", "x".repeat(201));
  expect(long.code).toBe(1);
  expect(long.out).toContain("(INVALID_ARGUMENT, QUERY_TOO_LONG)");
});

test("rouse show tells what a person wants to know", async () => {
  const { code, out } = await run("show", "genome.v1.GenomeService");
  expect(code).toBe(0);
  expect(out).toMatch(/^genome\.v1\.GenomeService 1\.0\.0 \(cold\)\nSays it again\.\n/);
  expect(out).toMatch(/VERSION +STATE +TAGS +REGISTERED +NOTE\n1\.1\.0 +cold +- .*\n1\.0\.0 +cold +release /);
  expect(out).toContain(
    [
      "  GetSequence(GetSequenceRequest) → GetSequenceResponse",
      "    Bases of a region, with soft-masked repeats.",
      "    GET /v1/genomes/{name}:sequence · deadline 10s · no side effects",
      "  ListFeatures(Region) → stream Feature",
    ].join("\n"),
  );
  expect(out).toContain("Call one: rouse call genome.v1.GenomeService/GetSequence");
  expect((await run("show", "genome.v1.GenomeService", "--version", "1.1.0")).out).toContain(" 1.1.0 (cold)");
  const unknown = await run("show", "genome.v1.Genome");
  expect([unknown.code, unknown.out]).toEqual([
    1,
    expect.stringContaining("No service genome.v1.Genome is registered. Services: genome.v1.GenomeService"),
  ]);
});

test("rouse compare tells what breaks callers", async () => {
  expect(await run("compare", "genome.v1.GenomeService", "release", "1.1.0")).toEqual({
    code: 0,
    out: [
      "~ field genome.v1.GetSequenceResponse.bases  BREAKING",
      "    - string bases = 1",
      "    + bytes bases = 1",
      "1 difference, which may break callers.",
    ].join("\n"),
  });
  expect((await run("compare", "genome.v1.GenomeService", "1.0.0", "release")).out).toBe(
    "The contracts are the same.",
  );
});

test("text is broken where the terminal ends, and steers no terminal", () => {
  expect(wrap("- one two three four", "  ", 14)).toEqual(["  - one two", "    three four"]);
  expect(wrap("a\n\nb", "  ", 40)).toEqual(["  a", "", "  b"]);
  expect(wrap("x".repeat(30), "", 20)).toEqual(["x".repeat(30)]);
  expect(harmless("a\u001b[31mb\u202ec\r")).toBe("a[31mbc");
});
