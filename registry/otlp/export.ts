import { type Attributes, eachField, readResource } from "./attributes.ts";

/**
 * Calls back for each span or metric of an export request: both stand in scopes of resources, as fields of the same numbers
 * (trace_service.proto, metrics_service.proto).
 *
 * @throws Error for bytes that are none.
 */
export function eachExported(
  request: Uint8Array,
  each: (item: Uint8Array, resource: Attributes) => void,
): void {
  eachField(request, (number, reader) => {
    if (number !== 1) return false;
    ofResource(reader.bytes(), each);
    return true;
  });
}

function ofResource(bytes: Uint8Array, each: (item: Uint8Array, resource: Attributes) => void): void {
  let resource: Attributes = {};
  const scopes: Uint8Array[] = [];
  eachField(bytes, (number, reader) => {
    if (number === 1) resource = readResource(reader.bytes());
    else if (number === 2) scopes.push(reader.bytes());
    else return false;
    return true;
  });
  for (const scope of scopes) {
    eachField(scope, (number, reader) => {
      if (number !== 2) return false;
      each(reader.bytes(), resource);
      return true;
    });
  }
}
