import type { DescMethod } from "@bufbuild/protobuf";
import type { Contract } from "../catalog/contract/contract.ts";
import { type Binding, bindingsOf } from "../json/bindings.ts";
import { MessageSchemas, type Schema } from "../json/schema.ts";
import type { VersionManifest } from "../state.ts";
import { openPath } from "./path.ts";
import { queryParameters } from "./query.ts";

/** An OpenAPI 3.1 document: https://spec.openapis.org/oas/v3.1.1 */
export interface OpenApiDocument {
  readonly openapi: "3.1.0";
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly servers: readonly { readonly url: string }[];
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, Schema>>;
    readonly [part: string]: unknown;
  };
}

const SCHEMAS = "#/components/schemas/";

const VERBS = new Set(["get", "put", "post", "delete", "patch"]);

const error: Schema = {
  type: "object",
  description: "An error: google.rpc.Status.",
  properties: {
    code: { type: "integer", description: "gRPC status code." },
    message: { type: "string", description: "What was wrong, where, and what to do." },
    details: {
      type: "array",
      items: { type: "object", additionalProperties: true },
      description: "An ErrorInfo with a stable reason, and what else the service says.",
    },
  },
};

/** How a version is called in JSON over HTTP, at the edge. */
export function openApiDocument(contract: Contract, manifest: VersionManifest): OpenApiDocument {
  const { service, comments } = contract;
  const schemas = new MessageSchemas(comments, SCHEMAS);
  const paths: Record<string, Record<string, unknown>> = {};
  const jobs = new Set(manifest.methods.filter(({ mode }) => mode === "job").map(({ name }) => name));
  for (const method of service.methods) {
    // Jobs are not called but ordered.
    if (jobs.has(method.name)) continue;
    const { bindings } = bindingsOf(method);
    // What every method has is not worth a second entry beside what the contract says.
    const shown = bindings.length > 1 ? bindings.slice(0, -1) : bindings;
    for (const [index, binding] of shown.entries()) {
      const { path, variables } = openPath(binding.path);
      const verb = binding.verb.toLowerCase();
      const at = paths[path] ?? {};
      paths[path] = at;
      // OpenAPI knows no other verbs; two templates that become the same path are one operation.
      if (!VERBS.has(verb) || at[verb] !== undefined) continue;
      at[verb] = {
        operationId: index === 0 ? method.name : `${method.name}_${index + 1}`,
        tags: [service.typeName],
        ...describe(contract, method, manifest),
        parameters: [
          ...variables.map(({ name, description }) => ({
            name,
            in: "path",
            required: true,
            schema: { type: "string" },
            ...(description !== "" && { description }),
          })),
          ...(binding.body === "*" ? [] : queryParameters(method.input, bound(binding), schemas)),
          { $ref: "#/components/parameters/rouse-version" },
        ],
        ...requestBody(method, binding, schemas),
        responses: responses(method, binding, schemas),
      };
    }
  }
  const text = manifest.description || comments.of(service.file, service);
  // Comments often begin with the very summary.
  const summary = text.startsWith(manifest.summary) ? "" : manifest.summary;
  return {
    openapi: "3.1.0",
    info: {
      title: service.typeName,
      version: manifest.version,
      description: [
        summary,
        text,
        `Each method also answers to \`POST /${service.typeName}/METHOD\` with its request as the body.`,
      ]
        .filter(Boolean)
        .join("\n\n"),
    },
    servers: [{ url: "/" }],
    tags: [{ name: service.typeName, description: manifest.summary }],
    paths,
    components: {
      schemas: { ...schemas.all, "rouse.Error": error },
      parameters: {
        "rouse-version": {
          name: "rouse-version",
          in: "header",
          required: false,
          schema: { type: "string" },
          description: "Version to call: exact, a line such as 1.4, a range such as ^1.2.0, or a tag.",
        },
      },
    },
  };
}

/** Fields that path or body have. */
function bound({ path, body }: Binding): ReadonlySet<string> {
  return new Set([...path.variables.map(({ field }) => field), ...(body === "" ? [] : [body])]);
}

function describe({ comments }: Contract, method: DescMethod, manifest: VersionManifest) {
  const text = comments.of(method.parent.file, method);
  const [summary = ""] = text.split(/(?<=\.)\s|\n/, 1);
  const { deadlineMs = 0 } = manifest.methods.find(({ name }) => name === method.name) ?? {};
  const notes = [
    ...(method.proto.clientStreaming
      ? ["The body is an array: one element for each message of the stream."]
      : []),
    ...(method.proto.serverStreaming ? ["The answer is an array that grows while the stream lasts."] : []),
    ...(deadlineMs > 0 ? [`A call takes at most ${deadlineMs / 1_000} s.`] : []),
  ];
  const description = [text, ...notes].filter(Boolean).join("\n\n");
  return {
    ...(summary !== "" && { summary: summary.slice(0, 120) }),
    ...(description !== "" && { description }),
    ...(method.deprecated && { deprecated: true }),
  };
}

function requestBody(method: DescMethod, { body, path }: Binding, schemas: MessageSchemas) {
  if (body === "") return {};
  const inPath = new Set(path.variables.map(({ field }) => field));
  const field = method.input.fields.find(({ name }) => name === body);
  const one =
    field !== undefined
      ? schemas.field(field)
      : inPath.size === 0
        ? schemas.message(method.input)
        : schemas.object(method.input, inPath);
  const schema = method.proto.clientStreaming ? { type: "array", items: one } : one;
  return { requestBody: { content: { "application/json": { schema } }, required: true } };
}

function responses(method: DescMethod, { responseBody }: Binding, schemas: MessageSchemas) {
  const field = method.output.fields.find(({ name }) => name === responseBody);
  const one = field === undefined ? schemas.message(method.output) : schemas.field(field);
  const schema = method.proto.serverStreaming ? { type: "array", items: one } : one;
  const failed = { schema: { $ref: `${SCHEMAS}rouse.Error` } };
  return {
    "200": { description: "OK", content: { "application/json": { schema } } },
    default: { description: "An error.", content: { "application/json": failed } },
  };
}
