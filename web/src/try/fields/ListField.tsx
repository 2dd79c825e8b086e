import type { DescField } from "@bufbuild/protobuf";
import { zeroOf } from "../field-values.ts";
import { entryPath, type Json } from "../json.ts";
import { valueKind } from "../kinds.ts";
import { idOf, ProblemNote } from "./FieldRow.tsx";
import { ValueInput } from "./ValueInput.tsx";

/** More entries are edited as JSON. */
const mostShown = 100;

interface Props {
  readonly field: DescField;
  readonly value: Json | undefined;
  readonly path: string;
  readonly onChange: (value: Json | undefined) => void;
}

/** Entries of a repeated field. */
export function ListField({ field, value, path, onChange }: Props) {
  const kind = valueKind(field);
  const entries = Array.isArray(value) ? value : [];
  const set = (next: readonly Json[]) => onChange(next.length === 0 ? undefined : [...next]);
  return (
    <div class="try-entries">
      {entries.slice(0, mostShown).map((entry, i) => {
        const at = entryPath(path, i);
        return (
          <div class="try-entry" key={i}>
            <span class="try-index" aria-hidden="true">
              {i}
            </span>
            <div class="try-value">
              <ValueInput
                kind={kind}
                id={idOf(at)}
                path={at}
                label={`${field.jsonName} ${i}`}
                value={entry}
                onChange={(next) => set(entries.with(i, next ?? zeroOf(kind)))}
                emptyIsUnset={false}
              />
              <ProblemNote path={at} />
            </div>
            <button
              type="button"
              class="try-remove"
              aria-label={`Remove ${field.jsonName} ${i}`}
              onClick={() => set(entries.toSpliced(i, 1))}
            >
              ✕
            </button>
          </div>
        );
      })}
      {entries.length > mostShown && (
        <p class="soft">{`… and ${entries.length - mostShown} more: edit them as JSON.`}</p>
      )}
      <button type="button" class="try-add" onClick={() => set([...entries, zeroOf(kind)])}>
        <span aria-hidden="true">+ </span>Add to {field.jsonName}
      </button>
    </div>
  );
}
