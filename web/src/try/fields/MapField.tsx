import { type DescField, ScalarType } from "@bufbuild/protobuf";
import { useEffect, useState } from "preact/hooks";
import { zeroOf } from "../field-values.ts";
import { useForm } from "../form-context.ts";
import { entryPath, isObject, type Json } from "../json.ts";
import { valueKind } from "../kinds.ts";
import { idOf, ProblemNote } from "./FieldRow.tsx";
import { ValueInput } from "./ValueInput.tsx";

const mostShown = 100;

interface Props {
  readonly field: DescField & { fieldKind: "map" };
  readonly value: Json | undefined;
  readonly path: string;
  readonly onChange: (value: Json | undefined) => void;
}

type Entries = readonly (readonly [key: string, value: Json])[];

/** Entries of a map. They are kept as a list while they are edited: two keys may be the same for a moment. */
export function MapField({ field, value, path, onChange }: Props) {
  const { report } = useForm();
  const kind = valueKind(field);
  const [kept, setKept] = useState<Entries>([]);
  const given: Entries = isObject(value) ? Object.entries(value) : [];
  const entries = same(kept, given) ? kept : given;
  const keys = entries.map(([key]) => key);
  const twice = keys.find((key, i) => keys.indexOf(key) !== i);
  const problem = twice === undefined ? undefined : `The key "${twice}" is there twice.`;
  useEffect(() => {
    report(path, problem);
    return () => report(path, undefined);
  }, [path, problem]);
  const set = (next: Entries) => {
    setKept(next);
    onChange(next.length === 0 ? undefined : Object.fromEntries(next));
  };
  return (
    <div class="try-entries">
      {entries.slice(0, mostShown).map(([key, entry], i) => {
        const at = entryPath(path, key);
        return (
          <div class="try-entry map" key={i}>
            <input
              class="try-key"
              aria-label={`${field.jsonName}: key ${i}`}
              value={key}
              autocomplete="off"
              placeholder="key"
              onInput={({ currentTarget }) => set(entries.with(i, [currentTarget.value, entry]))}
            />
            <div class="try-value">
              <ValueInput
                kind={kind}
                id={idOf(at)}
                path={at}
                label={`${field.jsonName}: value of ${key}`}
                value={entry}
                onChange={(next) => set(entries.with(i, [key, next ?? zeroOf(kind)]))}
                emptyIsUnset={false}
              />
              <ProblemNote path={at} />
            </div>
            <button
              type="button"
              class="try-remove"
              aria-label={`Remove ${field.jsonName} ${key}`}
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
      <button
        type="button"
        class="try-add"
        onClick={() => set([...entries, [freeKey(field.mapKey, keys), zeroOf(kind)]])}
      >
        <span aria-hidden="true">+ </span>Add to {field.jsonName}
      </button>
    </div>
  );
}

/** Whether a list of entries makes the map that there is. */
function same(kept: Entries, given: Entries): boolean {
  const made = Object.entries(Object.fromEntries(kept));
  return JSON.stringify(made) === JSON.stringify(given);
}

function freeKey(scalar: ScalarType, keys: readonly string[]): string {
  if (scalar === ScalarType.BOOL) return keys.includes("true") ? "false" : "true";
  const base = scalar === ScalarType.STRING ? "key" : "";
  let i = 1;
  while (keys.includes(`${base}${i}`)) i++;
  return `${base}${i}`;
}
