import { toBinary } from "@bufbuild/protobuf";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import type { Binding } from "../../registry/json/bindings.ts";
import { type CanonicalService, serviceFile } from "./canonical.ts";
import { library } from "./library.ts";

/** A version whose methods shall be called in JSON. */
export interface JsonCandidate extends CanonicalService {
  readonly version: string;
}

/** What cannot be called in JSON, or only in part. */
export interface JsonGap {
  readonly service: string;
  readonly version: string;
  /** A sentence. */
  readonly reason: string;
}

export interface MergedDescriptors {
  /** google.protobuf.FileDescriptorSet. */
  readonly bytes: Uint8Array;
  /** Names of the services in it, sorted. */
  readonly services: readonly string[];
  readonly gaps: readonly JsonGap[];
}

/**
 * Puts the contracts of many services into one descriptor set, in which each name has one meaning: a service whose messages are
 * others than those of the same name which came before it is left out, and so is a path that is taken.
 *
 * @param candidates In the order of their precedence.
 */
export function mergeDescriptors(candidates: readonly JsonCandidate[]): MergedDescriptors {
  const files = new Map<string, Uint8Array>();
  /** The version that a name is from. */
  const names = new Map<string, string>();
  const paths = new Map<string, string>();
  const services: string[] = [];
  const gaps: JsonGap[] = [];
  for (const { name, bytes, symbols } of library().values()) {
    files.set(name, bytes);
    for (const symbol of symbols) names.set(symbol, "Google's types");
  }
  for (const candidate of candidates) {
    const { service, version } = candidate;
    const by = `${service} ${version}`;
    const gap = (reason: string) => gaps.push({ service, version, reason });
    // A file that is there under this name has the same content.
    const fresh = candidate.files.filter(({ name }) => !files.has(name));
    const other = fresh.flatMap(({ symbols }) => symbols).find((symbol) => names.has(symbol));
    if (other !== undefined) {
      gap(
        `Its ${other} is another one than that of ${names.get(other)}: give one of the packages another name, or make them alike.`,
      );
      continue;
    }
    for (const { name, bytes, symbols } of fresh) {
      files.set(name, bytes);
      for (const symbol of symbols) names.set(symbol, by);
    }
    const taken = new Set<Binding>();
    for (const { name, bindings } of candidate.methods) {
      // The last one is the method's own name, which nobody else can have.
      for (const binding of bindings.slice(0, -1)) {
        const key = pathKey(binding);
        const holder = paths.get(key);
        if (holder === undefined) paths.set(key, `${by}, ${name}`);
        else {
          taken.add(binding);
          gap(`${binding.verb} ${binding.template} of ${name} is taken by ${holder}.`);
        }
      }
    }
    for (const refused of candidate.refused) gap(`${refused}.`);
    files.set(`${service}.service`, taken.size === 0 ? wholeFile(candidate) : fileWithout(candidate, taken));
    services.push(service);
  }
  const set = new BinaryWriter();
  for (const bytes of files.values()) set.uint32((1 << 3) | 2).bytes(bytes);
  return { bytes: set.finish(), services: services.sort(), gaps };
}

const whole = new WeakMap<JsonCandidate, Uint8Array>();

/** The service's own file with all its paths, encoded once. */
function wholeFile(candidate: JsonCandidate): Uint8Array {
  const bytes = whole.get(candidate) ?? toBinary(FileDescriptorProtoSchema, serviceFile(candidate));
  whole.set(candidate, bytes);
  return bytes;
}

function fileWithout(candidate: JsonCandidate, taken: ReadonlySet<Binding>): Uint8Array {
  const methods = candidate.methods.map((method) => ({
    ...method,
    bindings: method.bindings.filter((binding) => !taken.has(binding)),
  }));
  return toBinary(FileDescriptorProtoSchema, serviceFile({ ...candidate, methods }));
}

/** Two templates of one key match the same paths. */
function pathKey({ verb, path }: Binding): string {
  return `${verb} /${path.segments.join("/")}:${path.verb}`;
}
