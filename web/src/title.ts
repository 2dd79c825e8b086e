import { useEffect } from "preact/hooks";

/** Sets the document's title while a page is shown. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Rouse`;
  }, [title]);
}
