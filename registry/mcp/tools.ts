import { createHash } from "node:crypto";
import type { DescMethod } from "@bufbuild/protobuf";
import type { Tool } from "@modelcontextprotocol/sdk/types.js";
import type { Contract } from "../catalog/contract/contract.ts";
import type { Exposed } from "../exposed.ts";
import { MessageSchemas } from "../json/schema.ts";
import type { VersionManifest } from "../state.ts";

/** A method that is offered as a tool. */
export interface ToolMethod {
  /** Of the tool. */
  readonly name: string;
  readonly exposed: Exposed;
  readonly method: VersionManifest["methods"][number];
}

/** Longest name that all clients take, of letters, digits, "_" and "-". */
const LONGEST_NAME = 64;
const HASH = 8;

/** Name of a method's tool: its full name with "_" for what clients do not take. */
export function toolName(service: string, method: string): string {
  const plain = `${service}.${method}`.replace(/[^A-Za-z0-9_-]/g, "_");
  if (plain.length <= LONGEST_NAME) return plain;
  const hash = createHash("sha256").update(`${service}/${method}`).digest("hex").slice(0, HASH);
  return `${plain.slice(-(LONGEST_NAME - HASH - 1)).replace(/^_+/, "")}_${hash}`;
}

/** Names of the methods' tools, for they are asked for with each request. */
const known = new WeakMap<VersionManifest, readonly string[]>();

/** All methods of the services that can be called as tools, in the order of their names. */
export function toolMethods(services: readonly Exposed[]): Map<string, ToolMethod> {
  const sorted = [...services].sort((a, b) => (a.service < b.service ? -1 : 1));
  const out = new Map<string, ToolMethod>();
  for (const exposed of sorted) {
    const { manifest } = exposed.state;
    const names = known.get(manifest) ?? manifest.methods.map(({ name }) => toolName(exposed.service, name));
    known.set(manifest, names);
    for (const [index, method] of manifest.methods.entries()) {
      if (method.mode === "job") continue;
      const name = names[index] ?? "";
      // Names that differ in "." and "_" alone: the first one has it.
      const free = out.has(name) ? `${name.slice(0, LONGEST_NAME - 2)}_2` : name;
      if (!out.has(free)) out.set(free, { name: free, exposed, method });
    }
  }
  return out;
}

/** A tool as clients are told of it. */
export function describeTool({ name, exposed, method }: ToolMethod, contract: Contract): Tool {
  const { manifest } = exposed.state;
  const readOnly = method.idempotency === "no_side_effects";
  const found = contract.service.methods.find((one) => one.name === method.name);
  return {
    name,
    title: `${method.name} of ${exposed.service}`,
    description: [
      method.docs,
      method.clientStreaming ? "It takes a stream: give its messages as the array requests." : "",
      method.serverStreaming ? "It answers with a stream, which is collected up to a limit." : "",
      `Method ${method.name} of ${exposed.service} ${exposed.version}${manifest.summary === "" ? "." : `: ${manifest.summary}`}`,
    ]
      .filter(Boolean)
      .join("\n\n"),
    inputSchema: inputSchema(contract, found),
    annotations: {
      title: `${method.name} of ${exposed.service}`,
      readOnlyHint: readOnly,
      destructiveHint: !readOnly,
      idempotentHint: readOnly || method.idempotency === "idempotent",
    },
  };
}

function inputSchema({ comments }: Contract, method: DescMethod | undefined): Tool["inputSchema"] {
  if (method === undefined) return { type: "object" };
  const schemas = new MessageSchemas(comments, "#/$defs/");
  const one = schemas.object(method.input);
  const root = method.proto.clientStreaming
    ? {
        type: "object",
        properties: { requests: { type: "array", items: schemas.message(method.input) } },
        required: ["requests"],
      }
    : one;
  const definitions = Object.keys(schemas.all).length === 0 ? {} : { $defs: schemas.all };
  return { ...root, ...definitions, type: "object" } as Tool["inputSchema"];
}
