import type { TargetedInputEvent } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { navigate, withQuery } from "../router.tsx";
import { filterNames, LONGEST_QUERY, states } from "./search-query.ts";

/** Pause after a keystroke before the search begins; ms. */
const DEBOUNCE_MS = 120;

/** The search field and the filters. All that is set is in the URL, and changing one begins at the first page. */
export function SearchForm({ query }: { readonly query: URLSearchParams }) {
  const set = filterNames.filter((name) => (query.get(name) ?? "") !== "").length;
  const [open, setOpen] = useState(set > 0);
  return (
    <search class="search">
      <div class="row">
        <Field name="q" label="Search the catalog" query={query} search />
        <button type="button" aria-expanded={open} aria-controls="filters" onClick={() => setOpen(!open)}>
          Filters{set > 0 ? ` (${set})` : ""}
        </button>
      </div>
      <div id="filters" class="filters" hidden={!open}>
        <Field name="owner" label="Owner" query={query} />
        <Field name="tag" label="Tag" query={query} />
        <label>
          State
          <select
            value={query.get("state") ?? ""}
            onChange={(event) => apply("state", event.currentTarget.value)}
          >
            <option value="">any</option>
            {states.map((state) => (
              <option key={state}>{state}</option>
            ))}
          </select>
        </label>
        <Field name="cpu" label="At most, cores" query={query} numeric />
        <Field name="memory" label="At most, MiB" query={query} numeric />
        <label class="check">
          <input
            type="checkbox"
            checked={query.get("gpu") === "1"}
            onChange={(event) => apply("gpu", event.currentTarget.checked ? "1" : "")}
          />
          Needs a GPU
        </label>
      </div>
    </search>
  );
}

function apply(name: string, value: string): void {
  navigate(withQuery({ [name]: value, page: "" }), { replace: true });
}

interface FieldProps {
  readonly name: string;
  readonly label: string;
  readonly query: URLSearchParams;
  readonly search?: boolean;
  readonly numeric?: boolean;
}

/** A field whose text goes to the URL when the user pauses. */
function Field({ name, label, query, search = false, numeric = false }: FieldProps) {
  const applied = query.get(name) ?? "";
  const [text, setText] = useState(applied);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => {
    // The way back, or a link, changed it; not the user's own typing.
    if (timer.current === undefined) setText(applied);
  }, [applied]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const settle = (value: string) => {
    clearTimeout(timer.current);
    timer.current = undefined;
    if (value !== applied) apply(name, value);
  };
  const onInput = (value: string) => {
    setText(value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => settle(value), DEBOUNCE_MS);
  };
  const common = {
    value: text,
    maxLength: LONGEST_QUERY,
    autoComplete: "off",
    spellcheck: false,
    onInput: (event: TargetedInputEvent<HTMLInputElement>) => onInput(event.currentTarget.value),
    onBlur: () => {
      if (timer.current !== undefined) settle(text);
    },
  } as const;
  if (search)
    return (
      <label class="query">
        <span class="visually-hidden">{label}</span>
        <input type="search" placeholder="Search services, methods, messages …" {...common} />
      </label>
    );
  return (
    <label>
      {label}
      <input type="text" inputMode={numeric ? "decimal" : "text"} {...common} />
    </label>
  );
}
