import type { DescEnum, DescMessage, DescMethod } from "@bufbuild/protobuf";
import type { FieldDoc, GetContractResponse, MethodDoc, TypeDoc } from "#proto/rouse/catalog/v1/catalog.ts";
import { bindingsOf } from "../../json/bindings.ts";
import type { VersionManifest } from "../../state.ts";
import type { Contract } from "./contract.ts";
import { fieldType } from "./field-text.ts";
import { reachableTypes, typeOf } from "./reachable.ts";

/** The documentation of a version's contract, made of its descriptor set and its manifest. */
export function contractDocs(manifest: VersionManifest, contract: Contract): GetContractResponse {
  const { service, descriptorSet } = contract;
  const settings = new Map(manifest.methods.map((method) => [method.name, method]));
  const methods = service.methods.map((method): MethodDoc => {
    const own = settings.get(method.name);
    return {
      name: method.name,
      input: method.input.typeName,
      output: method.output.typeName,
      clientStreaming: method.proto.clientStreaming,
      serverStreaming: method.proto.serverStreaming,
      docs: contract.comments.of(service.file, method),
      mode: own?.mode ?? "sync",
      deadlineMs: own?.deadlineMs ?? 0,
      idempotency: own?.idempotency ?? "unknown",
      http: httpOf(method),
    };
  });
  const types = reachableTypes(service).map((type) => typeDoc(contract, type));
  return { version: manifest.version, methods, types, descriptorSet: Buffer.from(descriptorSet) };
}

/** The first of the ways in which a method is called in JSON: the contract's own, if it has one. */
function httpOf(method: DescMethod): string {
  const [first] = bindingsOf(method).bindings;
  return first === undefined ? "" : `${first.verb} ${first.template}`;
}

function typeDoc({ comments }: Contract, type: DescMessage | DescEnum): TypeDoc {
  const docs = comments.of(type.file, type);
  const common = { name: type.typeName, docs, isEnum: type.kind === "enum" };
  if (type.kind === "enum") {
    const fields = type.values.map(
      (value): FieldDoc => ({
        name: value.name,
        type: String(value.number),
        typeName: "",
        docs: comments.of(type.file, value),
        oneof: "",
      }),
    );
    return { ...common, fields };
  }
  const fields = type.fields.map(
    (field): FieldDoc => ({
      name: field.name,
      type: fieldType(field),
      typeName: typeOf(field)?.typeName ?? "",
      docs: comments.of(type.file, field),
      oneof: field.oneof?.name ?? "",
    }),
  );
  return { ...common, fields };
}
