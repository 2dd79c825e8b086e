import type { DescField, DescMessage, DescOneof } from "@bufbuild/protobuf";
import { fieldValue } from "../field-values.ts";
import { fieldPath, isObject, type Json, type JsonObject } from "../json.ts";
import { FieldRow } from "./FieldRow.tsx";
import { OneofRow } from "./OneofRow.tsx";

interface Props {
  readonly desc: DescMessage;
  readonly path: string;
  readonly value: Json | undefined;
  readonly onChange: (value: Json) => void;
}

/** All fields of a message; of a oneof, a choice and the chosen field. */
export function MessageFields({ desc, path, value, onChange }: Props) {
  const object: JsonObject = isObject(value) ? value : {};
  if (desc.members.length === 0) return <p class="soft">{desc.name} has no fields.</p>;
  return (
    <div class="try-fields">
      {desc.members.map((member: DescField | DescOneof) =>
        member.kind === "oneof" ? (
          <OneofRow key={member.name} oneof={member} object={object} parent={path} onChange={onChange} />
        ) : (
          <FieldRow
            key={member.name}
            field={member}
            value={fieldValue(member, object)}
            object={object}
            path={fieldPath(path, member.jsonName)}
            onChange={onChange}
          />
        ),
      )}
    </div>
  );
}
