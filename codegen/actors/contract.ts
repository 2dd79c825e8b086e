import { wrapped } from "../../sdk/actor/convert.ts";
import type { FieldShape, MessageShape, Shape } from "../../sdk/actor/shape.ts";
import { RouseError } from "../../sdk/errors.ts";
import { serviceNames } from "../scaffold/names.ts";
import type { ActorDescription } from "./description.ts";

/** What the package says where the actor says nothing. */
export interface ContractDefaults {
  readonly version: string;
  readonly owner: string;
}

/** A contract that was made from an actor. */
export interface ActorContract {
  /** From the contract's folder, such as "greeter/v1/greeter.proto". */
  readonly path: string;
  readonly text: string;
}

const types: Readonly<Record<string, string>> = {
  timestamp: "google.protobuf.Timestamp",
  value: "google.protobuf.Value",
};

/**
 * The contract of an actor. Fields are numbered in the order in which the schemas have them: new ones belong at the end.
 *
 * @throws RouseError INVALID_ARGUMENT ACTOR_INVALID for what no contract can say.
 */
export function actorContract(actor: ActorDescription, defaults: ContractDefaults): ActorContract {
  const { settings, methods } = actor;
  const { version = defaults.version, owner = defaults.owner } = settings;
  const { snake, service } = serviceNames(actor.name);
  const line = `${snake}.v${Math.max(1, Number.parseInt(version, 10) || 0)}`;
  const messages = methods.flatMap(({ name, input, output }) => [
    message(actor.name, `${name}Request`, wrapped(input), ""),
    message(actor.name, `${name}Response`, wrapped(output), ""),
  ]);
  const text = [
    'syntax = "proto3";',
    "",
    `package ${line};`,
    "",
    ...imports(messages.join("\n")),
    "",
    ...comment(settings.summary || `The actor ${actor.name}.`, ""),
    `service ${service} {`,
    "  option (rouse.mesh.v1.service) = {",
    `    version: ${JSON.stringify(version)}`,
    ...(settings.summary ? [`    summary: ${JSON.stringify(settings.summary)}`] : []),
    `    owner: ${JSON.stringify(owner)}`,
    "    resources: {",
    `      cpu: ${settings.cpu ?? 0.25}`,
    `      memory: ${JSON.stringify(settings.memory ?? "256Mi")}`,
    "    }",
    `    exposure: EXPOSURE_${(settings.exposure ?? "internal").toUpperCase()}`,
    '    idle_timeout: "1m"',
    "  };",
    ...methods.flatMap(({ name, docs }) => [
      "",
      ...comment(docs, "  "),
      `  rpc ${name}(${name}Request) returns (${name}Response) {`,
      "    option (rouse.mesh.v1.method) = {durable: true};",
      "  }",
    ]),
    "}",
    ...messages.flatMap((one) => ["", one]),
    "",
  ].join("\n");
  return { path: `${line.replaceAll(".", "/")}/${snake}.proto`, text };
}

function imports(messages: string): string[] {
  const wellKnown = [
    ["google.protobuf.Value", "google/protobuf/struct.proto"],
    ["google.protobuf.Timestamp", "google/protobuf/timestamp.proto"],
  ] as const;
  const used = wellKnown.filter(([type]) => messages.includes(type)).map(([, file]) => file);
  return [...used, "rouse/mesh/v1/options.proto"].map((file) => `import "${file}";`);
}

function message(actor: string, name: string, { fields }: MessageShape, indent: string): string {
  const inside = `${indent}  `;
  const names = new Map<string, string>();
  const lines = fields.flatMap((field, index) => {
    const { key, docs, shape } = field;
    checkField(actor, name, field, names);
    const nested = messageOf(shape);
    const type = nested === undefined ? undefined : pascal(field.name);
    return [
      ...(nested === undefined || type === undefined ? [] : [message(actor, type, nested, inside)]),
      ...comment(docs, inside),
      `${inside}${label(field)}${typeOf(shape, type ?? key)} ${field.name} = ${index + 1};`,
    ];
  });
  if (lines.length === 0) return `${indent}message ${name} {}`;
  return [`${indent}message ${name} {`, ...lines, `${indent}}`].join("\n");
}

function checkField(
  actor: string,
  message: string,
  { key, name }: FieldShape,
  names: Map<string, string>,
): void {
  const invalid = (what: string) =>
    new RouseError("INVALID_ARGUMENT", `Actor ${JSON.stringify(actor)} cannot have a contract: ${what}`, {
      reason: "ACTOR_INVALID",
    });
  if (!/^[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*$/.test(key))
    throw invalid(
      `${message} has a field ${JSON.stringify(key)}. Name it by letters and digits, such as "firstName", or give the object as z.record().`,
    );
  const other = names.get(name);
  if (other !== undefined)
    throw invalid(
      `${message} has the fields ${JSON.stringify(other)} and ${JSON.stringify(key)}, which are both ${name} in a contract. Rename one.`,
    );
  names.set(name, key);
}

/** The message that a field's type needs beside it. */
function messageOf(shape: Shape): MessageShape | undefined {
  if (shape.kind === "message") return shape;
  return shape.kind === "list" || shape.kind === "map" ? messageOf(shape.of) : undefined;
}

/** Messages and values know by themselves whether they are there. */
function label({ optional, shape }: FieldShape): string {
  const { kind } = shape;
  const always = kind === "list" || kind === "map" || kind === "message" || types[kind] !== undefined;
  return optional && !always ? "optional " : "";
}

function typeOf(shape: Shape, message: string): string {
  switch (shape.kind) {
    case "list":
      return `repeated ${typeOf(shape.of, message)}`;
    case "map":
      return `map<string, ${typeOf(shape.of, message)}>`;
    case "message":
      return message;
    default:
      return types[shape.kind] ?? shape.kind;
  }
}

function comment(text: string, indent: string): string[] {
  if (text === "") return [];
  return text.split(/\r?\n/).map((line) => `${indent}// ${line}`.trimEnd());
}

function pascal(name: string): string {
  return name
    .split("_")
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join("");
}
