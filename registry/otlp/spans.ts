import { type Attributes, eachField, readAttribute } from "./attributes.ts";
import { eachExported } from "./export.ts";

/** A span as it came. */
export interface OtlpSpan {
  readonly resource: Attributes;
  /** Hex. */
  traceId: string;
  spanId: string;
  parentSpanId: string;
  name: string;
  /** Milliseconds since 1970, with fractions. */
  startMs: number;
  endMs: number;
  readonly attributes: Attributes;
  /** Status message, or "error" without one; empty when it went well. */
  error: string;
}

const LONGEST_TEXT = 1_024;
const STATUS_ERROR = 2;

/**
 * Decodes an ExportTraceServiceRequest (trace_service.proto, trace.proto).
 *
 * @throws Error for bytes that are none.
 */
export function decodeSpans(request: Uint8Array): OtlpSpan[] {
  const spans: OtlpSpan[] = [];
  eachExported(request, (span, resource) => {
    spans.push(decodeSpan(span, resource));
  });
  return spans;
}

function decodeSpan(bytes: Uint8Array, resource: Attributes): OtlpSpan {
  const span: OtlpSpan = {
    resource,
    traceId: "",
    spanId: "",
    parentSpanId: "",
    name: "",
    startMs: 0,
    endMs: 0,
    attributes: {},
    error: "",
  };
  eachField(bytes, (number, reader) => {
    if (number === 1) span.traceId = hex(reader.bytes());
    else if (number === 2) span.spanId = hex(reader.bytes());
    else if (number === 4) span.parentSpanId = hex(reader.bytes());
    else if (number === 5) span.name = reader.string().slice(0, LONGEST_TEXT);
    else if (number === 7) span.startMs = Number(reader.fixed64()) / 1e6;
    else if (number === 8) span.endMs = Number(reader.fixed64()) / 1e6;
    else if (number === 9) readAttribute(reader.bytes(), span.attributes);
    else if (number === 15) span.error = readStatus(reader.bytes());
    else return false;
    return true;
  });
  return span;
}

function readStatus(bytes: Uint8Array): string {
  let message = "";
  let code = 0;
  eachField(bytes, (number, reader) => {
    if (number === 2) message = reader.string();
    else if (number === 3) code = reader.int32();
    else return false;
    return true;
  });
  return code === STATUS_ERROR ? message.slice(0, LONGEST_TEXT) || "error" : "";
}

/** Ids are short; whatever is longer is none. */
function hex(bytes: Uint8Array): string {
  return bytes.length > 16 ? "" : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}
