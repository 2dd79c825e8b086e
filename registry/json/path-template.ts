/** A path template of google.api.http. */
export interface PathTemplate {
  /** Literals, "*" and "**", with the variables' own segments in their place. */
  readonly segments: readonly string[];
  /** Field paths that the variables bind, in their order. */
  readonly variables: readonly PathVariable[];
  /** After the colon; "" for none. */
  readonly verb: string;
}

/** A part of a path that is a field's value. */
export interface PathVariable {
  /** Field path. */
  readonly field: string;
  readonly segments: readonly string[];
  /** Index of its first segment in the template's. */
  readonly at: number;
}

const literal = /^[A-Za-z0-9._~!$&'()+,;@%-]+$/;
const fieldPath = /^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*$/;

/**
 * Parses `/v1/{name=shelves/*}/books:verb`, after the grammar in google/api/http.proto.
 *
 * @returns undefined for what is no template.
 */
export function parseTemplate(text: string): PathTemplate | undefined {
  if (!text.startsWith("/") || text.length < 2) return undefined;
  const segments: string[] = [];
  const variables: PathVariable[] = [];
  const [, path = "", verb = ""] = /^(.*?)(?::([^/:{}]+))?$/s.exec(text.slice(1)) ?? [];
  for (const part of splitOutsideBraces(path)) {
    const [, field, pattern = "*"] = /^\{([^=}]+)(?:=([^}]+))?\}$/.exec(part) ?? [];
    if (field === undefined) {
      if (!segment(part)) return undefined;
      segments.push(part);
      continue;
    }
    const own = pattern.split("/");
    if (!fieldPath.test(field) || !own.every(segment)) return undefined;
    variables.push({ field, segments: own, at: segments.length });
    segments.push(...own);
  }
  // "**" takes all that is left.
  const deep = segments.indexOf("**");
  if (deep >= 0 && deep < segments.length - 1) return undefined;
  if (verb !== "" && !literal.test(verb)) return undefined;
  return { segments, variables, verb };
}

function segment(text: string): boolean {
  return text === "*" || text === "**" || literal.test(text);
}

function splitOutsideBraces(path: string): string[] {
  return path.match(/(?:\{[^}]*\}|[^/])+|(?<=\/|^)(?=\/|$)/g) ?? [];
}
