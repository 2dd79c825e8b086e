import type { DescEnum, ScalarType } from "@bufbuild/protobuf";
import { useState } from "preact/hooks";
import { useForm } from "../form-context.ts";
import type { Json } from "../json.ts";
import { typedNumber } from "../scalars.ts";
import type { WidgetProps } from "./ValueInput.tsx";

/** Attributes that tie a widget to its label and to what is wrong with it. */
export function useInvalid(id: string, path: string) {
  const wrong = useForm().problem(path) !== undefined;
  return wrong ? ({ "aria-invalid": "true", "aria-describedby": `${id}-problem` } as const) : {};
}

/** How a value that has the wrong type is shown in a text field. */
function shown(value: Json | undefined): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

type TextProps = WidgetProps & { readonly placeholder?: string; readonly now?: boolean };

/** Text of any number of lines. */
export function TextInput({
  id,
  path,
  label,
  value,
  onChange,
  emptyIsUnset,
  placeholder = "",
  now = false,
}: TextProps) {
  const invalid = useInvalid(id, path);
  const text = shown(value);
  return (
    <span class="try-inline">
      <textarea
        id={id}
        aria-label={label}
        {...invalid}
        class="try-text"
        rows={Math.min(8, text.split("\n").length)}
        value={text}
        placeholder={placeholder}
        spellcheck={false}
        onInput={({ currentTarget }) =>
          onChange(currentTarget.value === "" && emptyIsUnset ? undefined : currentTarget.value)
        }
      />
      {now && (
        <button type="button" onClick={() => onChange(new Date().toISOString())}>
          Now
        </button>
      )}
    </span>
  );
}

/** A number as text: 64 bits are more than a number field holds. */
export function NumberInput({
  id,
  path,
  label,
  value,
  onChange,
  emptyIsUnset,
  scalar,
}: WidgetProps & { readonly scalar: ScalarType }) {
  const invalid = useInvalid(id, path);
  // "1." is on the way to "1.5": what is typed stays while it means the value.
  const [typed, setTyped] = useState(shown(value));
  const text = typedNumber(scalar, typed) === value ? typed : shown(value);
  return (
    <input
      id={id}
      aria-label={label}
      {...invalid}
      class="try-number"
      inputMode="decimal"
      autocomplete="off"
      value={text}
      placeholder="0"
      onInput={({ currentTarget }) => {
        setTyped(currentTarget.value);
        const next = typedNumber(scalar, currentTarget.value);
        onChange(next ?? (emptyIsUnset ? undefined : ""));
      }}
    />
  );
}

/** One of the enum's names; a number that has none stays as it is. */
export function EnumInput({
  id,
  path,
  label,
  value,
  onChange,
  emptyIsUnset,
  desc,
}: WidgetProps & { readonly desc: DescEnum }) {
  const invalid = useInvalid(id, path);
  const unset = emptyIsUnset ? "" : undefined;
  const named =
    typeof value === "number" ? desc.values.find(({ number }) => number === value)?.name : undefined;
  const current = named ?? (value === undefined ? (unset ?? "") : shown(value));
  const strange = current !== "" && !desc.values.some(({ name }) => name === current);
  return (
    <select
      id={id}
      aria-label={label}
      {...invalid}
      value={current}
      onChange={({ currentTarget }) => onChange(currentTarget.value === "" ? undefined : currentTarget.value)}
    >
      {unset !== undefined && <option value="">{`not set (${desc.values[0]?.name ?? 0})`}</option>}
      {strange && <option value={current}>{current}</option>}
      {desc.values.map(({ name, number }) => (
        <option key={name} value={name}>{`${name} = ${number}`}</option>
      ))}
    </select>
  );
}
