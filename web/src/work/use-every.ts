import { useEffect } from "preact/hooks";

/** Does something every so many ms while the page is seen; not at all while `active` is false. */
export function useEvery(ms: number, active: boolean, act: () => void): void {
  useEffect(() => {
    if (!active) return undefined;
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") act();
    }, ms);
    return () => clearInterval(timer);
  }, [ms, active, act]);
}
