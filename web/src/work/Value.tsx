import { useMemo } from "preact/hooks";
import { bytes as size } from "../format.ts";
import { valueText } from "./value-text.ts";
import "./work.css";

interface Props {
  readonly title: string;
  readonly bytes: Uint8Array;
  readonly open: boolean;
}

/** A value that nothing is known of. */
export function Value({ title, bytes, open }: Props) {
  const text = useMemo(() => valueText(bytes), [bytes]);
  return (
    <details open={open}>
      <summary>
        {title} <span class="soft">{size(bytes.length)}</span>
      </summary>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys. */}
      <pre class="work-result" tabIndex={0}>
        {text}
      </pre>
    </details>
  );
}
