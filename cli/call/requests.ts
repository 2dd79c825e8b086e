import { createInterface } from "node:readline";
import { fromJsonString, type JsonValue, type Message, toBinary } from "@bufbuild/protobuf";
import { RouseError } from "../../sdk/errors.ts";
import { requestOfFields } from "./fields.ts";
import type { CatalogMethod } from "./method.ts";

/**
 * Encodes the requests of a call.
 *
 * @param json from the command line; one "-" stands for JSON lines on stdin.
 * @throws RouseError INVALID_ARGUMENT REQUEST_INVALID saying which request is wrong, and where in it.
 */
export async function* encodeRequests(
  method: CatalogMethod,
  json: readonly string[],
): AsyncGenerator<Uint8Array> {
  const { descriptor } = method;
  const streams = descriptor.methodKind === "client_streaming" || descriptor.methodKind === "bidi_streaming";
  if (json.length === 1 && json[0] === "-") {
    if (streams) yield* encodeLines(method);
    else yield encode(method, await readAll(), "stdin");
    return;
  }
  if (!streams && json.length > 1)
    throw invalid(
      `${descriptor.name} takes one request, and there are ${json.length} arguments: put the JSON in quotes.`,
    );
  const texts = json.length === 0 && !streams ? ["{}"] : json;
  // All of them are looked at before the first is sent.
  yield* texts.map((text, index) =>
    encode(method, text, texts.length === 1 ? "The request" : `Request ${index + 1}`),
  );
}

/**
 * The requests with fields from the command line put in.
 *
 * @throws RouseError INVALID_ARGUMENT FIELD_INVALID, REQUEST_INVALID.
 */
export function withFields(
  { descriptor }: CatalogMethod,
  json: readonly string[],
  fields: readonly string[],
): readonly string[] {
  if (fields.length === 0) return json;
  const [text = "{}"] = json;
  if (json.length > 1 || text === "-")
    throw invalid(
      "Fields (-f) make one request: give at most one request as JSON beside them, and no stdin.",
    );
  checkJson(text, "The request");
  const base = JSON.parse(text) as JsonValue;
  if (typeof base !== "object" || base === null || Array.isArray(base))
    throw invalid("The request is no object: fields (-f) cannot be put into it.");
  return [JSON.stringify(requestOfFields(descriptor.input, fields, base))];
}

async function* encodeLines(method: CatalogMethod): AsyncGenerator<Uint8Array> {
  let number = 0;
  for await (const line of createInterface({ input: process.stdin })) {
    number += 1;
    if (line.trim() !== "") yield encode(method, line, `Line ${number} of stdin`);
  }
}

function encode({ descriptor, types }: CatalogMethod, text: string, where: string): Uint8Array {
  checkJson(text, where);
  try {
    const message: Message = fromJsonString(descriptor.input, text, { registry: types });
    return toBinary(descriptor.input, message);
  } catch (error) {
    throw invalid(`${where} is no ${descriptor.input.typeName}: ${(error as Error).message}.`);
  }
}

/** fromJsonString wraps the parser's message without saying which text is meant. */
function checkJson(text: string, where: string): void {
  try {
    JSON.parse(text) satisfies JsonValue;
  } catch (error) {
    throw invalid(`${where} is not JSON: ${(error as Error).message}.`);
  }
}

async function readAll(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

function invalid(message: string): RouseError {
  return new RouseError("INVALID_ARGUMENT", message, { reason: "REQUEST_INVALID" });
}
