import { type DescField, type DescMessage, type DescMethod, toBinary } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { MethodOptionsSchema } from "@bufbuild/protobuf/wkt";
import { decodeHttpRule, HTTP_OPTION, type HttpRule } from "./http-rule.ts";
import { type PathTemplate, parseTemplate } from "./path-template.ts";

/** One HTTP method and path by which a method is called in JSON. */
export interface Binding {
  readonly verb: string;
  readonly template: string;
  readonly path: PathTemplate;
  /** Field that the body is; "*": the whole request but for what the path binds; "": query parameters only. */
  readonly body: string;
  readonly responseBody: string;
}

export interface Bindings {
  /** What the contract says, then `POST /package.Service/Method`, which every method has. */
  readonly bindings: readonly Binding[];
  /** What of the contract cannot be had, as clauses. */
  readonly refused: readonly string[];
}

/** First parts of paths that are the mesh's own at the edge: MCP, OpenAPI, the site's pages and files. */
const RESERVED = new Set(
  (
    "mcp openapi metrics assets favicon.ico favicon.svg robots.txt theme.js index.html login account docs " +
    "services service catalog search compare reviews hosts builds providers usage logs traces history"
  ).split(" "),
);

/** Such as "genome.v1.GenomeService". */
const fullName = /^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+$/;

/** How a method is called in JSON over HTTP. */
export function bindingsOf(method: DescMethod): Bindings {
  const bindings: Binding[] = [];
  const refused: string[] = [];
  const rule = httpRule(method);
  for (const one of rule === undefined ? [] : [rule, ...rule.additional]) {
    const found = binding(method, one);
    if (typeof found === "string") refused.push(`${one.verb} ${one.template} of ${method.name}: ${found}`);
    else bindings.push(found);
  }
  const own = defaultBinding(method);
  const others = bindings.filter(({ verb, template }) => verb !== own.verb || template !== own.template);
  bindings.splice(0, bindings.length, ...others, own);
  return { bindings, refused };
}

/** `POST /package.Service/Method`. */
function defaultBinding(method: DescMethod): Binding {
  const path = { segments: [method.parent.typeName, method.name], variables: [], verb: "" };
  return { verb: "POST", template: `/${path.segments.join("/")}`, path, body: "*", responseBody: "" };
}

/** The contract's google.api.http; undefined when there is none. */
export function httpRule(method: DescMethod): HttpRule | undefined {
  const { options } = method.proto;
  if (options === undefined) return undefined;
  const reader = new BinaryReader(toBinary(MethodOptionsSchema, options));
  let rule: HttpRule | undefined;
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === HTTP_OPTION && wireType === 2) rule = decodeHttpRule(reader.bytes());
    else reader.skip(wireType, field);
  }
  return rule;
}

function binding(method: DescMethod, rule: HttpRule): Binding | string {
  const { verb, template, body, responseBody } = rule;
  if (!/^[A-Z]{1,16}$/.test(verb)) return "it names no HTTP method";
  if (verb === "OPTIONS" || verb === "CONNECT" || verb === "TRACE" || verb === "HEAD")
    return `${verb} is the edge's own`;
  const path = parseTemplate(template);
  if (path === undefined) return "this is no path template";
  const [first = ""] = path.segments;
  if (first === "*" || first === "**") return "it would take the paths of others: begin it with a name";
  if (RESERVED.has(first)) return `paths below /${first} are the mesh's own`;
  const own = defaultBinding(method);
  if (fullName.test(first) && (verb !== own.verb || template !== own.template))
    return `/${first}/ is for the methods of ${first} by their names`;
  for (const { field } of path.variables) {
    const found = fieldAt(method.input, field);
    if (found === undefined) return `the request has no field ${field}`;
    if (found.fieldKind !== "scalar" && found.fieldKind !== "enum")
      return `${field} does not fit into a path`;
  }
  if (body !== "" && body !== "*" && fieldAt(method.input, body) === undefined)
    return `the request has no field ${body}`;
  if (responseBody !== "" && fieldAt(method.output, responseBody) === undefined)
    return `the response has no field ${responseBody}`;
  return { verb, template, path, body, responseBody };
}

/** The field of a path such as "region.start"; undefined when there is none. */
export function fieldAt(message: DescMessage, path: string): DescField | undefined {
  let at: DescMessage | undefined = message;
  let field: DescField | undefined;
  for (const name of path.split(".")) {
    field = at?.fields.find((one) => one.name === name);
    at = field?.fieldKind === "message" ? field.message : undefined;
  }
  return field;
}
