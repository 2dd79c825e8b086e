import { CopyButton } from "../code/CopyButton.tsx";
import "../code/code.css";
import "./work.css";

interface Props {
  readonly text: string;
  /** Characters that are drawn; all are copied. */
  readonly most: number;
}

/** A text that may be long. */
export function LongText({ text, most }: Props) {
  return (
    <div class="code-text">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys. */}
      <pre class="work-result" tabIndex={0}>
        <code>{text.length > most ? `${text.slice(0, most)}…` : text}</code>
      </pre>
      <CopyButton text={() => text} />
    </div>
  );
}
