import type { DescFile, DescMethod, DescService } from "@bufbuild/protobuf";
import { getComments } from "@bufbuild/protoplugin";

/** Where something is in its file, counted from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/**
 * Where the thing at a descriptor path begins (google.protobuf.SourceCodeInfo), or what is around it when the
 * compiler tells no place of its own.
 */
export function placeOf(file: DescFile, path: readonly number[]): Place {
  for (let length = path.length; length > 0; length--) {
    const place = exactPlaceOf(file, path.slice(0, length));
    if (place !== undefined) return place;
  }
  return { line: 1, column: 1 };
}

/** Where the thing at a descriptor path, or the first thing within it, is written; undefined when it isn't. */
export function exactPlaceOf(file: DescFile, path: readonly number[]): Place | undefined {
  const locations = file.proto.sourceCodeInfo?.location ?? [];
  const within = locations.filter((location) => path.every((part, index) => location.path[index] === part));
  const first = within.find((location) => location.path.length === path.length) ?? within[0];
  const [line, column] = first?.span ?? [];
  return line === undefined || column === undefined ? undefined : { line: line + 1, column: column + 1 };
}

/** Number of both of our extensions, and of the options in a service's and in a method's descriptor. */
const extensionNumber = 50811;
const optionsNumber = { service: 3, rpc: 4 } as const;

/** Descriptor path of the mesh's option of a service or method. */
export function optionPath(desc: DescService | DescMethod): number[] {
  return [...getComments(desc).sourcePath, optionsNumber[desc.kind], extensionNumber];
}
