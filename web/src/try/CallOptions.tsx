import { deadlineProblem, metadataProblem } from "./metadata.ts";
import type { Draft } from "./share.ts";

interface Props {
  readonly draft: Draft;
  readonly version: string;
  /** The contract's deadline; ms, 0: none. */
  readonly contractMs: number;
  readonly onChange: (part: Partial<Draft>) => void;
}

/** Version spec, deadline and metadata of a call. */
export function CallOptions({ draft, version, contractMs, onChange }: Props) {
  const late = deadlineProblem(draft.deadline);
  const used = draft.spec !== "" || draft.deadline !== "" || draft.metadata.length > 0;
  return (
    <details class="try-options" open={used}>
      <summary>Version, deadline and metadata</summary>
      <div class="try-option-fields">
        <label>
          Version
          <input
            value={draft.spec}
            placeholder={version}
            autocomplete="off"
            onInput={({ currentTarget }) => onChange({ spec: currentTarget.value })}
          />
          <span class="soft">exact, line (1.4), range (^1.2.0) or tag (beta)</span>
        </label>
        <label>
          Deadline in ms
          <input
            value={draft.deadline}
            inputMode="numeric"
            autocomplete="off"
            placeholder={contractMs === 0 ? "none" : `${contractMs} and the wake`}
            onInput={({ currentTarget }) => onChange({ deadline: currentTarget.value })}
            {...(late !== undefined && { "aria-invalid": "true" })}
          />
          {late !== undefined && <span class="try-problem">{late}</span>}
        </label>
      </div>
      <fieldset class="try-metadata">
        <legend>Metadata</legend>
        {draft.metadata.map((field, i) => {
          const problem = metadataProblem(field);
          const set = (part: Partial<typeof field>) =>
            onChange({ metadata: draft.metadata.with(i, { ...field, ...part }) });
          const invalid = problem !== undefined && ({ "aria-invalid": "true" } as const);
          return (
            <div key={i}>
              <div class="try-metadata-row">
                <input
                  aria-label={`Name of metadata field ${i + 1}`}
                  placeholder="x-name"
                  value={field.name}
                  autocomplete="off"
                  {...invalid}
                  onInput={({ currentTarget }) => set({ name: currentTarget.value })}
                />
                <input
                  aria-label={`Value of metadata field ${i + 1}`}
                  placeholder="value"
                  value={field.value}
                  autocomplete="off"
                  {...invalid}
                  onInput={({ currentTarget }) => set({ value: currentTarget.value })}
                />
                <button
                  type="button"
                  class="try-remove"
                  aria-label={`Remove metadata field ${i + 1}`}
                  onClick={() => onChange({ metadata: draft.metadata.toSpliced(i, 1) })}
                >
                  ✕
                </button>
              </div>
              {problem !== undefined && <p class="try-problem">{problem}</p>}
            </div>
          );
        })}
        <button
          type="button"
          class="try-add"
          onClick={() => onChange({ metadata: [...draft.metadata, { name: "", value: "" }] })}
        >
          <span aria-hidden="true">+ </span>Add a field
        </button>
      </fieldset>
    </details>
  );
}
