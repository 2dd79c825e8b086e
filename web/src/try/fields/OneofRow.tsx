import type { DescOneof } from "@bufbuild/protobuf";
import { fieldValue, keyOf, zeroOf } from "../field-values.ts";
import { fieldPath, type JsonObject, withKey } from "../json.ts";
import { valueKind } from "../kinds.ts";
import { FieldName, idOf, ProblemNote } from "./FieldRow.tsx";
import { ValueInput } from "./ValueInput.tsx";

interface Props {
  readonly oneof: DescOneof;
  readonly object: JsonObject;
  readonly parent: string;
  readonly onChange: (object: JsonObject) => void;
}

/** A choice of one field among several. */
export function OneofRow({ oneof, object, parent, onChange }: Props) {
  const field = oneof.fields.find((one) => fieldValue(one, object) !== undefined);
  const id = idOf(fieldPath(parent, `(${oneof.name})`));
  const choose = (name: string) => {
    let next = object;
    for (const one of oneof.fields) next = withKey(next, keyOf(one, next), undefined);
    const chosen = oneof.fields.find((one) => one.name === name);
    if (chosen !== undefined) next = withKey(next, chosen.jsonName, zeroOf(valueKind(chosen)));
    onChange(next);
  };
  const path = field === undefined ? "" : fieldPath(parent, field.jsonName);
  return (
    <div class="try-field oneof">
      <div class="try-name">
        <label class="try-label" for={id}>
          {oneof.name}
        </label>{" "}
        <code class="try-type">one of</code>
      </div>
      <div class="try-value">
        <select
          id={id}
          value={field?.name ?? ""}
          onChange={({ currentTarget }) => choose(currentTarget.value)}
        >
          <option value="">none</option>
          {oneof.fields.map((one) => (
            <option key={one.name} value={one.name}>
              {one.jsonName}
            </option>
          ))}
        </select>
        {field !== undefined && (
          <div class="try-chosen">
            <FieldName field={field} />
            <ValueInput
              // The widget of another field must not keep what was typed into this one.
              key={field.name}
              kind={valueKind(field)}
              id={idOf(path)}
              path={path}
              label={field.jsonName}
              value={fieldValue(field, object)}
              onChange={(next) =>
                onChange(withKey(object, keyOf(field, object), next ?? zeroOf(valueKind(field))))
              }
              emptyIsUnset={false}
            />
            <ProblemNote path={path} />
          </div>
        )}
      </div>
    </div>
  );
}
