/** A path template of google.api.http. */
export interface PathTemplate {
  /** Literals, "*" and "**", with the variables' own segments in their place. */
  readonly segments: readonly string[];
  /** Field paths that the variables bind, in their order. */
  readonly variables: readonly { readonly field: string; readonly segments: readonly string[] }[];
  /** After the colon; "" for none. */
  readonly verb: string;
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
  const variables: { field: string; segments: string[] }[] = [];
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
    variables.push({ field, segments: own });
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
