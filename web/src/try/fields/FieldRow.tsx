import type { DescField } from "@bufbuild/protobuf";
import { hasSwitch, keyOf, zeroOf } from "../field-values.ts";
import { useForm } from "../form-context.ts";
import { type Json, type JsonObject, withKey } from "../json.ts";
import { typeName, valueKind } from "../kinds.ts";
import { ListField } from "./ListField.tsx";
import { MapField } from "./MapField.tsx";
import { ValueInput } from "./ValueInput.tsx";

interface Props {
  readonly field: DescField;
  readonly value: Json | undefined;
  /** The message that has the field. */
  readonly object: JsonObject;
  readonly path: string;
  readonly onChange: (object: JsonObject) => void;
}

/** An element's id for a path. */
export function idOf(path: string): string {
  return `try-${path}`;
}

/** What is wrong with a value, below it. */
export function ProblemNote({ path }: { readonly path: string }) {
  const problem = useForm().problem(path);
  if (problem === undefined) return null;
  return (
    <p class="try-problem" id={`${idOf(path)}-problem`} data-path={path}>
      {problem}
    </p>
  );
}

/** Name, type and comment of a field. */
export function FieldName({ field, htmlFor }: { readonly field: DescField; readonly htmlFor?: string }) {
  const docs = useForm().contract.docs(field.parent.typeName, field.name);
  return (
    <div class="try-name">
      {htmlFor === undefined ? (
        <span class="try-label">{field.jsonName}</span>
      ) : (
        <label class="try-label" for={htmlFor}>
          {field.jsonName}
        </label>
      )}{" "}
      <code class="try-type">{typeName(field)}</code>
      {field.deprecated && <span class="badge warn">deprecated</span>}
      {docs !== "" && <p class="try-docs">{docs}</p>}
    </div>
  );
}

/** A field: its name and comment, and the widget that edits it. */
export function FieldRow({ field, value, object, path, onChange }: Props) {
  const set = (next: Json | undefined) => onChange(withKey(object, keyOf(field, object), next));
  const id = idOf(path);
  const nested = field.fieldKind === "list" || field.fieldKind === "map" || valueKind(field).is === "message";
  return (
    <div class={`try-field ${nested && value !== undefined ? "nested" : ""}`}>
      <FieldName
        field={field}
        {...(!nested && (value !== undefined || !hasSwitch(field)) && { htmlFor: id })}
      />
      <div class="try-value">
        {field.fieldKind === "list" ? (
          <ListField field={field} value={value} path={path} onChange={set} />
        ) : field.fieldKind === "map" ? (
          <MapField field={field} value={value} path={path} onChange={set} />
        ) : (
          <Single field={field} value={value} path={path} onChange={set} />
        )}
        <ProblemNote path={path} />
      </div>
    </div>
  );
}

interface SingleProps {
  readonly field: DescField;
  readonly value: Json | undefined;
  readonly path: string;
  readonly onChange: (value: Json | undefined) => void;
}

/** A field with one value; where "not set" is something of its own, with a switch. Messages open when they are set. */
function Single({ field, value, path, onChange }: SingleProps) {
  const kind = valueKind(field);
  const optional = hasSwitch(field);
  if (optional && value === undefined) {
    return (
      <button type="button" class="try-add" onClick={() => onChange(zeroOf(kind))}>
        <span aria-hidden="true">+ </span>Set {field.jsonName}
      </button>
    );
  }
  return (
    <div class={kind.is === "message" ? "try-message" : "try-inline"}>
      <ValueInput
        kind={kind}
        id={idOf(path)}
        path={path}
        label={field.jsonName}
        value={value}
        onChange={onChange}
        emptyIsUnset={!optional}
      />
      {optional && (
        <button
          type="button"
          class="try-remove"
          aria-label={`Unset ${field.jsonName}`}
          onClick={() => onChange(undefined)}
        >
          ✕
        </button>
      )}
    </div>
  );
}
