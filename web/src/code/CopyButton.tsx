import { useEffect, useState } from "preact/hooks";

/** Copies a text. Pages without the right to do so (plain HTTP from another host) have it selected instead. */
export function CopyButton({
  text,
  label = "Copy",
}: {
  readonly text: () => string;
  readonly label?: string;
}) {
  const [said, setSaid] = useState("");
  useEffect(() => {
    if (said === "") return undefined;
    const timer = setTimeout(() => setSaid(""), 2_000);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = async () => {
    try {
      setSaid((await toClipboard(text())) ? "Copied" : "Not allowed");
    } catch (thrown) {
      setSaid(thrown instanceof Error ? thrown.message : String(thrown));
    }
  };
  return (
    <button type="button" class="copy" onClick={() => void copy()}>
      <span aria-live="polite">{said === "" ? label : said}</span>
    </button>
  );
}

async function toClipboard(text: string): Promise<boolean> {
  // Only secure contexts have a clipboard; a mesh on another host by plain HTTP is none.
  if (navigator.clipboard !== undefined) {
    await navigator.clipboard.writeText(text);
    return true;
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
