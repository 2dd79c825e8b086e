import { create, toBinary } from "@bufbuild/protobuf";
import {
  type FieldDescriptorProto,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";
import type { Manifest } from "../../registry/manifest.ts";

/*
 * Synthetic services, made so that they look like a catalog that many groups fill: names of a domain, a subject and a kind of
 * work, a few methods with messages of their own, comments in sentences. Words are drawn with Zipf's law, as in real texts, and
 * the same number gives the same service.
 */

const DOMAINS =
  "genome transcript protein metabolite variant phenotype image microscopy spectrum cohort patient trial climate ocean soil weather river satellite traffic energy grid material polymer crystal reactor market invoice ledger parcel archive library corpus speech text translation".split(
    " ",
  );
const SUBJECTS =
  "sequence alignment feature annotation region read assembly contig tree cluster network pathway structure model sample run batch dataset matrix table index record report summary event stream window tile layer mesh signal peak graph segment token document query session quota job schedule plan route order price user group policy".split(
    " ",
  );
const WORKS =
  "search align assemble annotate classify cluster convert correct count detect estimate export fetch filter fold import index infer join label list map merge normalise parse plot predict rank render resolve sample score segment simulate sort split store summarise train transform translate trim validate watch".split(
    " ",
  );
const GROUPS =
  "genomics proteomics imaging climate-lab hydrology materials economics logistics linguistics archive platform clinic".split(
    " ",
  );
const PROSE =
  "the of and to in a is for by with from that as this are it on be or at which each value values given result results when used one more than all into between by default number size length name identifier file format input output returns takes reads writes computes stores known unknown empty large small fast exact approximate quality threshold parameter option limit page token order first last next reference query database version cached parallel streaming memory error missing invalid optional required unit metre second kelvin base pair position strand score probability distance matrix weight vector kernel window overlap gap mismatch penalty consensus coverage depth batch iteration convergence tolerance seed random deterministic".split(
    " ",
  );

/** Random numbers of [0, 1) that are the same for the same seed (mulberry32, https://gist.github.com/tommyettinger/46a874533244883189143505d203312c). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

class Writer {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = randomOf(seed * 7_919 + 1);
  }

  pick(words: readonly string[]): string {
    return words[Math.floor(this.#random() * words.length)] ?? "";
  }

  /** The first words of a list are drawn most, by Zipf's law. */
  common(words: readonly string[]): string {
    return words[Math.floor(words.length ** this.#random()) - 1] ?? "";
  }

  between(least: number, most: number): number {
    return least + Math.floor(this.#random() * (most - least + 1));
  }

  /** A rare word, such as the name of a gene or instrument, that few services share. */
  rare(): string {
    const letters = "bcdfghklmnprstvz";
    const vowels = "aeiou";
    return Array.from({ length: 3 }, () => this.pick([...letters]) + this.pick([...vowels])).join("");
  }

  sentences(count: number, about: readonly string[]): string {
    return Array.from({ length: count }, () => {
      const words = Array.from({ length: this.between(6, 16) }, () => {
        const kind = this.#random();
        if (kind < 0.12) return this.pick(about);
        if (kind < 0.15) return this.rare();
        return kind < 0.3 ? this.common(SUBJECTS) : this.common(PROSE);
      });
      const text = words.join(" ");
      return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
    }).join(" ");
  }
}

const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);

/** The manifest of one of many services. */
export function syntheticManifest(number: number): Manifest {
  const write = new Writer(number);
  const [domain, subject, work] = [write.pick(DOMAINS), write.pick(SUBJECTS), write.pick(WORKS)];
  const scope = `${domain}.${work}${number}.v1`;
  const service = `${scope}.${capital(domain)}${capital(subject)}${capital(work)}Service`;
  const about = [domain, subject, work];
  const methods = [
    ...new Set(
      Array.from(
        { length: write.between(3, 8) },
        () => capital(write.pick(WORKS)) + capital(write.pick([subject, write.pick(SUBJECTS)])),
      ),
    ),
  ].map((name) => ({
    name,
    input: `${scope}.${name}Request`,
    output: `${scope}.${name}Response`,
    clientStreaming: false,
    serverStreaming: write.between(0, 4) === 0,
    mode: "sync" as const,
    deadlineMs: 60_000,
    idempotency: "unknown" as const,
    docs: write.sentences(write.between(1, 3), about),
  }));
  return {
    schema: "rouse.manifest/v1",
    service,
    version: `${write.between(1, 4)}.${write.between(0, 9)}.${write.between(0, 9)}`,
    summary: write.sentences(1, about).slice(0, 200),
    description: write.sentences(write.between(3, 10), about),
    owner: `${write.pick(GROUPS)}@example.org`,
    exposure: "external",
    resources: {
      cpu: write.between(1, 16) / 2,
      memory: write.between(1, 64) * 128 * 2 ** 20,
      gpu: write.between(0, 9) === 0 ? 1 : 0,
      labels: {},
    },
    startTimeoutMs: 10_000,
    idleTimeoutMs: 60_000,
    targetConcurrency: 10,
    minInstances: 0,
    maxInstances: 4,
    sessionKey: "",
    loadBalancing: "round_robin",
    methods,
    descriptorSet: descriptorSet(service, scope, methods, write, about),
  };
}

/** A word that the service has, and few others: for queries that must find it. Empty when it has none. */
export function rareWordOf(manifest: Manifest): string {
  const known = new Set([...DOMAINS, ...SUBJECTS, ...WORKS, ...PROSE]);
  const text = [manifest.description, ...manifest.methods.map(({ docs }) => docs)].join(" ");
  const words = text.toLowerCase().match(/[a-z]+/g) ?? [];
  return words.find((word) => word.length === 6 && !known.has(word)) ?? "";
}

function descriptorSet(
  service: string,
  scope: string,
  methods: Manifest["methods"],
  write: Writer,
  about: readonly string[],
): string {
  const location: { path: number[]; span: number[]; leadingComments: string }[] = [];
  const comment = (path: number[], sentences: number) =>
    location.push({
      path,
      span: [location.length, 0, 1],
      leadingComments: ` ${write.sentences(sentences, about)}\n`,
    });
  const messageType = methods.flatMap(({ name }, method) =>
    ["Request", "Response"].map((end, side) => {
      const at = method * 2 + side;
      comment([4, at], 1);
      const names = [...new Set(Array.from({ length: write.between(2, 6) }, () => fieldName(write)))];
      const field = names.map((fieldName, index): Partial<FieldDescriptorProto> => {
        if (write.between(0, 2) > 0) comment([4, at, 2, index], 1);
        return {
          name: fieldName,
          jsonName: fieldName.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
          number: index + 1,
          type:
            write.between(0, 1) === 0 ? FieldDescriptorProto_Type.STRING : FieldDescriptorProto_Type.INT64,
          label: FieldDescriptorProto_Label.OPTIONAL,
        };
      });
      return { name: `${name}${end}`, field: field as FieldDescriptorProto[] };
    }),
  );
  comment([6, 0], 2);
  methods.forEach(({ docs }, index) => {
    location.push({ path: [6, 0, 2, index], span: [location.length, 0, 1], leadingComments: ` ${docs}\n` });
  });
  const bytes = toBinary(
    FileDescriptorSetSchema,
    create(FileDescriptorSetSchema, {
      file: [
        {
          name: `${scope.replaceAll(".", "/")}/service.proto`,
          package: scope,
          syntax: "proto3",
          messageType,
          service: [
            {
              name: service.slice(scope.length + 1),
              method: methods.map(({ name, input, output, serverStreaming }) => ({
                name,
                inputType: `.${input}`,
                outputType: `.${output}`,
                serverStreaming,
              })),
            },
          ],
          sourceCodeInfo: { location },
        },
      ],
    }),
  );
  return Buffer.from(bytes).toString("base64");
}

function fieldName(write: Writer): string {
  return write.between(0, 1) === 0
    ? write.common(SUBJECTS)
    : `${write.common(SUBJECTS)}_${write.pick(["id", "name", "count", "size", "start", "end"])}`;
}
