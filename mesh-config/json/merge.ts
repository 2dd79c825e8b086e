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
  /** The file and the version that a name is from. */
  const names = new Map<string, { readonly file: string; readonly by: string }>();
  const paths = new Map<string, string>();
  const services: string[] = [];
  const gaps: JsonGap[] = [];
  for (const { name, bytes, symbols } of library().values()) {
    files.set(name, bytes);
    for (const symbol of symbols) names.set(symbol, { file: name, by: "Google's types" });
  }
  for (const candidate of candidates) {
    const { service, version } = candidate;
    const by = `${service} ${version}`;
    const gap = (reason: string) => gaps.push({ service, version, reason });
    const other = candidate.files
      .flatMap(({ name, symbols }) => symbols.map((symbol) => ({ name, symbol })))
      .find(({ name, symbol }) => (names.get(symbol)?.file ?? name) !== name);
    if (other !== undefined) {
      gap(
        `Its ${other.symbol} is another one than that of ${names.get(other.symbol)?.by}: give one of the packages another name, or make them alike.`,
      );
      continue;
    }
    for (const { name, bytes, symbols } of candidate.files) {
      if (files.has(name)) continue;
      files.set(name, bytes);
      for (const symbol of symbols) names.set(symbol, { file: name, by });
    }
    const methods = candidate.methods.map((method) => ({
      ...method,
      bindings: method.bindings.filter((binding) => {
        const key = pathKey(binding);
        const holder = paths.get(key);
        if (holder === undefined) paths.set(key, `${by}, ${method.name}`);
        else gap(`${binding.verb} ${binding.template} of ${method.name} is taken by ${holder}.`);
        return holder === undefined;
      }),
    }));
    for (const refused of candidate.refused) gap(`${refused}.`);
    const own = serviceFile({ ...candidate, methods });
    files.set(own.name, toBinary(FileDescriptorProtoSchema, own));
    services.push(service);
  }
  const set = new BinaryWriter();
  for (const bytes of files.values()) set.uint32((1 << 3) | 2).bytes(bytes);
  return { bytes: set.finish(), services: services.sort(), gaps };
}

/** Two templates of one key match the same paths. */
function pathKey({ verb, path }: Binding): string {
  return `${verb} /${path.segments.join("/")}:${path.verb}`;
}
