import { base64Encode } from "@bufbuild/protobuf/wire";
import { useEffect, useState } from "preact/hooks";
import { type BytesMode, byteCount, bytesModes, shownBytes, typedBytes } from "../bytes.ts";
import { useForm } from "../form-context.ts";
import { useInvalid } from "./simple.tsx";
import type { WidgetProps } from "./ValueInput.tsx";

/** Largest file; bytes. gRPC servers take messages up to 4 MiB unless they are told otherwise. */
const largestFile = 4 * 2 ** 20;
/** Longest text that is drawn in the field; base64 characters. */
const longestShown = 64 * 1024;

/** Bytes as text, hex or base64, or from a file. */
export function BytesInput({ id, path, label, value, onChange, emptyIsUnset }: WidgetProps) {
  const { report } = useForm();
  const invalid = useInvalid(id, path);
  const base64 = typeof value === "string" ? value : "";
  const [mode, setMode] = useState<BytesMode>(shownBytes("text", base64) === undefined ? "hex" : "text");
  const [typed, setTyped] = useState<string>();
  // Hex with spaces, or half a byte, stays as it was typed while nobody else has changed the value.
  const read = typed === undefined ? undefined : typedBytes(mode, typed);
  const own = read !== undefined && ("problem" in read || read.base64 === base64);
  const text = own ? typed : shownBytes(mode, base64);
  const problem = own && read !== undefined && "problem" in read ? read.problem : undefined;
  useEffect(() => {
    report(path, problem);
    return () => report(path, undefined);
  }, [path, problem]);

  const take = (next: string) => onChange(next === "" && emptyIsUnset ? undefined : next);
  const onFile = async (file: File | undefined) => {
    if (file === undefined) return;
    if (file.size > largestFile) {
      report(path, `${file.name} has ${file.size} bytes; a request takes at most ${largestFile}.`);
      return;
    }
    setTyped(undefined);
    setMode("base64");
    take(base64Encode(new Uint8Array(await file.arrayBuffer())));
  };
  const large = base64.length > longestShown;
  return (
    <span class="try-bytes">
      <span class="try-inline">
        <select
          aria-label={`${label}: written as`}
          value={mode}
          onChange={({ currentTarget }) => {
            setTyped(undefined);
            setMode(bytesModes.find((one) => one === currentTarget.value) ?? "base64");
          }}
        >
          {bytesModes.map((one) => (
            <option key={one}>{one}</option>
          ))}
        </select>
        <input
          type="file"
          aria-label={`${label}: from a file`}
          onChange={({ currentTarget }) => void onFile(currentTarget.files?.[0])}
        />
        <span class="soft">{`${byteCount(base64)} bytes`}</span>
      </span>
      {large ? (
        <span class="soft">These bytes are too many to be shown here.</span>
      ) : text === undefined ? (
        <span class="soft">These bytes are no text; choose hex.</span>
      ) : (
        <textarea
          id={id}
          aria-label={label}
          {...invalid}
          class="try-text"
          rows={Math.min(6, Math.max(1, Math.ceil(text.length / 70)))}
          value={text}
          spellcheck={false}
          onInput={({ currentTarget }) => {
            setTyped(currentTarget.value);
            const next = typedBytes(mode, currentTarget.value);
            if ("base64" in next) take(next.base64);
          }}
        />
      )}
    </span>
  );
}
