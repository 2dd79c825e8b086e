import { useState } from "preact/hooks";
import { CopyButton } from "../code/CopyButton.tsx";
import { formatMs } from "../trace/spans.ts";
import { formatJson } from "./json.ts";
import "../code/code.css";
import { type Answer, mostKept, type Run } from "./run.ts";

/** Answers that are drawn at first, and more each time. */
const page = 50;
/** Longest text of an answer that is drawn; characters. */
const longest = 20_000;

/** The answers of a call: one in full, of a stream the newest ones first. */
export function Answers({ run }: { readonly run: Run }) {
  const [shown, setShown] = useState(page);
  const { answers, count, state } = run;
  const [only] = answers;
  if (count === 0) return <p class="soft">The stream ended without an answer.</p>;
  if (count === 1 && state === "done" && only !== undefined)
    return (
      <div class="code-text">
        <JsonText answer={only} />
        <CopyButton text={() => formatJson(only.json)} />
      </div>
    );
  const newest = answers.slice(-shown).reverse();
  return (
    <div class="stack">
      <div class="row spread">
        <p role="status" class="try-count">
          <strong data-testid="count">{count.toLocaleString("en")}</strong>{" "}
          {count === 1 ? "answer" : "answers"}
          {count > answers.length && (
            <span class="soft">{`, the latest ${mostKept.toLocaleString("en")} are kept`}</span>
          )}
        </p>
        <CopyButton
          label={`Copy ${answers.length.toLocaleString("en")} as JSON lines`}
          text={() => answers.map(({ json }) => JSON.stringify(json)).join("\n")}
        />
      </div>
      <ol class="try-answers" aria-label="Answers, newest first">
        {newest.map((answer) => (
          <li key={answer.number}>
            <span class="soft try-number-of">{`#${answer.number} · ${formatMs(answer.atMs)}`}</span>
            <JsonText answer={answer} short />
          </li>
        ))}
      </ol>
      {answers.length > shown && (
        <button type="button" onClick={() => setShown(shown + page)}>{`Show ${page} more`}</button>
      )}
    </div>
  );
}

function JsonText({ answer, short = false }: { readonly answer: Answer; readonly short?: boolean }) {
  const [all, setAll] = useState(false);
  const line = JSON.stringify(answer.json);
  const text = short && line.length <= 160 ? line : formatJson(answer.json);
  const cut = !all && text.length > longest;
  return (
    <div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: long answers are scrolled by the keyboard, too. */}
      <pre tabIndex={0} class="try-answer">
        <code>{cut ? `${text.slice(0, longest)}…` : text}</code>
      </pre>
      {cut && (
        <button
          type="button"
          onClick={() => setAll(true)}
        >{`Show all ${text.length.toLocaleString("en")} characters`}</button>
      )}
    </div>
  );
}
