import { navigate, withQuery } from "../router.tsx";
import "./work.css";

interface Props {
  /** The field beside the state, by its name in the address. */
  readonly text: { readonly name: string; readonly label: string; readonly value: string };
  readonly state: string;
  readonly states: readonly string[];
  readonly reload: () => void;
}

/** Narrows a list of work; what is chosen is in the address. */
export function WorkFilters({ text: { name, label, value }, state, states, reload }: Props) {
  return (
    <div class="row spread">
      <div class="work-filters">
        <label>
          {label}
          <input
            type="text"
            value={value}
            spellcheck={false}
            onChange={({ currentTarget }) => narrow(name, currentTarget.value.trim())}
          />
        </label>
        <label>
          State
          <select value={state} onChange={({ currentTarget }) => narrow("state", currentTarget.value)}>
            <option value="">any</option>
            {states.map((word) => (
              <option key={word}>{word}</option>
            ))}
          </select>
        </label>
      </div>
      <button type="button" onClick={reload}>
        Refresh
      </button>
    </div>
  );
}

function narrow(name: string, value: string): void {
  navigate(withQuery({ [name]: value }), { replace: true });
}
