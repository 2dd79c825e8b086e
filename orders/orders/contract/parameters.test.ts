import { readFileSync } from "node:fs";
import { createFileRegistry, fromBinary, type JsonValue } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseManifest } from "../../../registry/manifest.ts";
import { fill, fillInput } from "./fill.ts";
import { checkParameters } from "./parameters.ts";
import { messageShape, misfit, shapeAt, shapeWords } from "./shape.ts";

function typesOf(example: string, service: string) {
  const file = new URL(`../../../examples/${example}/gen/${service}.manifest.json`, import.meta.url);
  const { descriptorSet } = parseManifest(readFileSync(file, "utf8"));
  return createFileRegistry(fromBinary(FileDescriptorSetSchema, Buffer.from(descriptorSet, "base64")));
}
const types = typesOf("genome", "genome.v1.GenomeService");
const message = (name: string) => {
  const found = types.getMessage(`genome.v1.${name}`);
  if (found === undefined) throw new Error(name);
  return found;
};
const check = (parameters: unknown, name = "GetSequenceRequest") =>
  checkParameters(JSON.stringify(parameters), message(name), types, "cut");

describe("parameters", () => {
  test("may name fields in both ways, and have references where values are", () => {
    const region = { reference: { from: "tasks.find.result.name" }, start: 1, end: 9 };
    expect(check({ region, reverse_complement: true })).toEqual([
      { path: "parameters.region.reference", from: "tasks.find.result.name", shape: { kind: "text" } },
    ]);
    const holes = check({ region: { from: "tasks.find.result.region" }, reverseComplement: false });
    expect(holes).toMatchObject([{ path: "parameters.region", shape: { kind: "message" } }]);
    const types = ["gene", { from: "tasks.find.result.types.0" }];
    expect(check({ types }, "StreamFeaturesRequest")).toMatchObject([
      { path: "parameters.types.1", shape: { kind: "text" } },
    ]);
  });

  test.each([
    [
      { regoin: {} },
      'Task "cut": parameters.regoin is not in the contract: genome.v1.GetSequenceRequest has region, reverseComplement.',
    ],
    [
      { region: { strat: 1 } },
      'Task "cut": parameters.region.strat is not in the contract: genome.v1.Region has reference, start, end.',
    ],
    [{ region: { start: "x" } }, 'Task "cut": parameters.region.start: expected number (uint32), got "x".'],
    [
      { region: { start: -1 } },
      'Task "cut": parameters.region.start: expected number (uint32): -1 out of range.',
    ],
    [{ region: 3 }, 'Task "cut": parameters.region must be an object, a genome.v1.Region, and is 3.'],
    [[], 'Task "cut": parameters must be an object, a genome.v1.GetSequenceRequest, and is [].'],
  ])("%j are refused, and the field is named", (parameters, said) => {
    expect(() => check(parameters)).toThrow(
      expect.objectContaining({ status: "INVALID_ARGUMENT", reason: "PARAMETERS_INVALID", message: said }),
    );
  });

  test.each([
    [{ types: "gene" }, 'parameters.types must be a list, and is "gene".'],
    [{ types: ["gene", 3] }, "parameters.types.1: "],
  ])("%j are refused for what is in a list", (parameters, said) => {
    expect(() => check(parameters, "StreamFeaturesRequest")).toThrow(said);
  });

  test("that are not JSON, too deep, or hostile are refused in words", () => {
    expect(() => checkParameters("{", message("Region"), types, "cut")).toThrow(
      /^Task "cut": parameters are not JSON: /,
    );
    expect(() =>
      checkParameters("[".repeat(200_000) + "]".repeat(200_000), message("Region"), types, "cut"),
    ).toThrow("nested deeper than 100 levels");
    expect(() => checkParameters('{"__proto__": 1}', message("Region"), types, "cut")).toThrow(
      "parameters.__proto__ is not in the contract",
    );
  });

  test("whatever they are, are taken or refused by a sentence", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        try {
          check({ region: value });
        } catch (error) {
          expect(error).toMatchObject({ reason: "PARAMETERS_INVALID" });
        }
      }),
    );
  });
});

describe("a part of a result", () => {
  test.each([
    ["", "genome.v1.GetSequenceResponse"],
    ["region.start", "a number"],
    ["reverse_complement", "a bool"],
  ])("%j is %s", (path, words) => {
    const shape = shapeAt(message("GetSequenceResponse"), path === "" ? [] : path.split("."));
    expect(typeof shape === "string" ? shape : shapeWords(shape)).toBe(words);
  });

  test.each([
    [
      "residue",
      'its result has no field "residue". genome.v1.GetSequenceResponse has region, residues, reverseComplement',
    ],
    ["region.begin", '"region" has no field "begin". genome.v1.Region has reference, start, end'],
    ["residues.0", '"residues" is a text and has no part "0"'],
  ])("%j is not there", (path, said) => {
    expect(shapeAt(message("GetSequenceResponse"), path.split("."))).toBe(said);
  });

  test("fits where the same kind is wanted", () => {
    const region = messageShape(message("Region"));
    expect(misfit(region, region)).toBeUndefined();
    expect(misfit(region, { kind: "text" })).toBe("genome.v1.Region");
    expect(
      misfit({ kind: "list", of: { kind: "number" } }, { kind: "list", of: { kind: "number" } }),
    ).toBeUndefined();
    expect(misfit({ kind: "number" }, { kind: "list", of: { kind: "number" } })).toBe("a number");
    expect(misfit({ kind: "text" }, { kind: "any" })).toBeUndefined();
  });

  test("fits where another contract's message has the same fields", () => {
    const composition = typesOf("composition", "composition.v1.CompositionService");
    const analysis = typesOf("analysis", "analysis.v1.AnalysisService");
    const shape = (of: typeof types, name: string) => {
      const desc = of.getMessage(name);
      if (desc === undefined) throw new Error(name);
      return messageShape(desc);
    };
    const region = shape(types, "genome.v1.Region");
    const frame = shape(analysis, "analysis.v1.Frame");
    expect(misfit(region, shape(analysis, "analysis.v1.Region"))).toBeUndefined();
    expect(misfit(shape(composition, "composition.v1.Orf"), frame)).toBeUndefined();
    expect(misfit(region, frame)).toBe('genome.v1.Region, whose "reference" is not in analysis.v1.Frame');
    expect(misfit(shape(types, "genome.v1.LookUpRequest"), shape(types, "genome.v1.Feature"))).toBe(
      'genome.v1.LookUpRequest, whose "region" is not in genome.v1.Feature',
    );
    expect(misfit(frame, shape(types, "genome.v1.Feature"))).toBe(
      'analysis.v1.Frame, whose "reverse" is not in genome.v1.Feature',
    );
    expect(misfit(shape(types, "genome.v1.KmerCount"), shape(analysis, "analysis.v1.Word"))).toBe(
      'genome.v1.KmerCount, whose "kmer" is not in analysis.v1.Word',
    );
  });

  test("enums fit where all their values are there", () => {
    const strand = { kind: "enum", name: "a.Strand", values: ["UP", "DOWN"] } as const;
    expect(misfit(strand, { ...strand, name: "b.Strand", values: ["DOWN", "BOTH", "UP"] })).toBeUndefined();
    expect(misfit(strand, { ...strand, name: "b.Strand", values: ["UP"] })).toBe(
      "a.Strand, whose DOWN is not in b.Strand",
    );
    expect(misfit(strand, { kind: "text" })).toBeUndefined();
  });
});

describe("references", () => {
  const results: Record<string, JsonValue> = {
    a: { count: 3, topKmers: [{ kmer: "AA" }], region: { start: 1 }, from: "tasks.a.result" },
  };
  const given = {
    result: (task: string) => results[task],
    output: (task: string, name: string) => (task === "a" && name === "reads.bam" ? "artifact:x" : undefined),
  };

  test("become what they stand for", () => {
    const value = {
      n: { from: "tasks.a.result.count" },
      list: [{ from: "tasks.a.result.top_kmers.0.kmer" }, "GG"],
      unset: { from: "tasks.a.result.gc" },
      file: { from: "tasks.a.outputs.reads.bam" },
      // What comes from a result is data, whatever it looks like.
      same: { from: "tasks.a.result" },
    };
    expect(fill(value, given)).toEqual({
      n: 3,
      list: ["AA", "GG"],
      file: "artifact:x",
      same: results.a,
    });
    expect(fillInput("tasks.a.outputs.reads.bam", given)).toBe("artifact:x");
    expect(fillInput("artifact:y", given)).toBe("artifact:y");
  });

  test("to what is not there say so", () => {
    expect(() => fill({ x: { from: "tasks.a.result.topKmers.4.kmer" } }, given)).toThrow(
      "tasks.a.result.topKmers.4.kmer: the list has 1 elements only",
    );
    expect(() => fillInput("tasks.a.outputs.nothing", given)).toThrow(
      'task "a" has put out nothing that is named "nothing"',
    );
  });

  test("are all that is changed", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        fc.pre(!text.includes("tasks."));
        expect(JSON.stringify(fill(JSON.parse(text) as JsonValue, given))).toBe(text);
      }),
    );
  });
});
