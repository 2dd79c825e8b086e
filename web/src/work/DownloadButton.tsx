interface Props {
  readonly name: string;
  /** Media type. */
  readonly type: string;
  readonly content: () => string | Uint8Array;
}

/** Saves what the page has as a file. */
export function DownloadButton({ name, type, content }: Props) {
  const save = () => {
    const part = content();
    saveBlob(new Blob([typeof part === "string" ? part : part.slice()], { type }), name);
  };
  return (
    <button type="button" onClick={save}>
      Download
    </button>
  );
}

/** Hands a blob to the browser as a file. */
export function saveBlob(blob: Blob, name: string): void {
  const href = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = href;
  link.download = name;
  link.click();
  // The browser has its own hold of it once the click is through.
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
}
