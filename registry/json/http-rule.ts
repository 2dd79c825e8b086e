import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";

/*
 * google.api.HttpRule, the value of the method option google.api.http
 * (https://github.com/googleapis/googleapis/blob/master/google/api/http.proto). Read by hand: what a contract brings as
 * google/api/http.proto need not be the real one.
 */

/** Number of the method option. */
export const HTTP_OPTION = 72_295_728;

export interface HttpRule {
  /** Upper-case HTTP method. */
  readonly verb: string;
  /** Path template, such as "/v1/{name=shelves/*}". */
  readonly template: string;
  /** Field that the body is; "*": all that the path does not bind; "": no body. */
  readonly body: string;
  /** Field that the response's body is; "": the whole response. */
  readonly responseBody: string;
  readonly additional: readonly HttpRule[];
}

const verbs = new Map([
  [2, "GET"],
  [3, "PUT"],
  [4, "POST"],
  [5, "DELETE"],
  [6, "PATCH"],
]);
const CUSTOM = 8;
const BODY = 7;
const ADDITIONAL = 11;
const RESPONSE_BODY = 12;

/** @throws RangeError for bytes that are no message. */
export function decodeHttpRule(bytes: Uint8Array): HttpRule {
  const reader = new BinaryReader(bytes);
  const rule = { verb: "", template: "", body: "", responseBody: "", additional: [] as HttpRule[] };
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    const verb = verbs.get(field);
    if (wireType !== 2) reader.skip(wireType, field);
    else if (verb !== undefined) Object.assign(rule, { verb, template: reader.string() });
    else if (field === BODY) rule.body = reader.string();
    else if (field === RESPONSE_BODY) rule.responseBody = reader.string();
    else if (field === ADDITIONAL) rule.additional.push(decodeHttpRule(reader.bytes()));
    else if (field === CUSTOM) Object.assign(rule, decodeCustom(reader.bytes()));
    else reader.skip(wireType, field);
  }
  return rule;
}

function decodeCustom(bytes: Uint8Array): { verb: string; template: string } {
  const reader = new BinaryReader(bytes);
  const out = { verb: "", template: "" };
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (wireType === 2 && field === 1) out.verb = reader.string();
    else if (wireType === 2 && field === 2) out.template = reader.string();
    else reader.skip(wireType, field);
  }
  return out;
}

export function encodeHttpRule(rule: HttpRule): Uint8Array {
  const writer = new BinaryWriter();
  const number = [...verbs].find(([, verb]) => verb === rule.verb)?.[0];
  if (number !== undefined) writer.uint32(tag(number)).string(rule.template);
  else {
    writer.uint32(tag(CUSTOM)).fork();
    writer.uint32(tag(1)).string(rule.verb).uint32(tag(2)).string(rule.template).join();
  }
  if (rule.body !== "") writer.uint32(tag(BODY)).string(rule.body);
  for (const other of rule.additional) writer.uint32(tag(ADDITIONAL)).bytes(encodeHttpRule(other));
  if (rule.responseBody !== "") writer.uint32(tag(RESPONSE_BODY)).string(rule.responseBody);
  return writer.finish();
}

function tag(field: number): number {
  return (field << 3) | 2;
}
