import type { PathTemplate } from "../json/path-template.ts";

/** A path as OpenAPI writes it. */
export interface OpenPath {
  readonly path: string;
  readonly variables: readonly { readonly name: string; readonly description: string }[];
}

/**
 * `/v1/{name=shelves/*}` as `/v1/shelves/{name}`: OpenAPI's parameters have no slash, so each wildcard becomes one.
 */
export function openPath({ segments, variables, verb }: PathTemplate): OpenPath {
  const out: string[] = [];
  const found: { name: string; description: string }[] = [];
  let free = 0;
  for (const [index, segment] of segments.entries()) {
    if (segment !== "*" && segment !== "**") {
      out.push(segment);
      continue;
    }
    const owner = variables.find(({ at, segments: own }) => at <= index && index < at + own.length);
    const base = owner?.field ?? `any${++free}`;
    const before = found.filter(({ name }) => name === base || name.startsWith(`${base}_`)).length;
    const name = before === 0 ? base : `${base}_${before + 1}`;
    const whole = owner === undefined || owner.segments.length === 1;
    found.push({
      name,
      description: whole ? "" : `With what is around it, ${owner.field}: ${owner.segments.join("/")}.`,
    });
    out.push(`{${name}}`);
  }
  return { path: `/${out.join("/")}${verb === "" ? "" : `:${verb}`}`, variables: found };
}
