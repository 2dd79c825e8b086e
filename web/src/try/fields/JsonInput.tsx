import { useEffect, useState } from "preact/hooks";
import { useForm } from "../form-context.ts";
import { formatJson, parseJson } from "../json.ts";
import { useInvalid } from "./simple.tsx";
import type { WidgetProps } from "./ValueInput.tsx";

/** A well-known type whose fields only the caller knows (Struct, Value, Any), as JSON. */
export function JsonInput({
  id,
  path,
  label,
  value,
  onChange,
  emptyIsUnset,
  example,
}: WidgetProps & { readonly example: string }) {
  const { report } = useForm();
  const invalid = useInvalid(id, path);
  const [typed, setTyped] = useState<string>();
  const read = typed === undefined ? undefined : parseJson(typed);
  const own =
    read !== undefined && ("error" in read || JSON.stringify(read.value) === JSON.stringify(value ?? {}));
  const text = own ? (typed ?? "") : value === undefined ? "" : formatJson(value);
  const problem = own && read !== undefined && "error" in read ? read.error : undefined;
  useEffect(() => {
    report(path, problem);
    return () => report(path, undefined);
  }, [path, problem]);
  return (
    <textarea
      id={id}
      aria-label={label}
      {...invalid}
      class="try-text mono"
      rows={Math.min(12, Math.max(2, text.split("\n").length))}
      value={text}
      placeholder={example}
      spellcheck={false}
      onInput={({ currentTarget }) => {
        setTyped(currentTarget.value);
        if (currentTarget.value.trim() === "" && emptyIsUnset) {
          onChange(undefined);
          return;
        }
        const next = parseJson(currentTarget.value);
        if ("value" in next) onChange(next.value);
      }}
    />
  );
}
