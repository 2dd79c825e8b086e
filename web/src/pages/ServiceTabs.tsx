import { useEffect, useRef } from "preact/hooks";
import { Link, servicePath } from "../router.tsx";

const tabs = [
  ["", "Overview"],
  ["contract", "Contract"],
  ["try", "Try"],
  ["code", "Code"],
  ["usage", "Usage"],
  ["traces", "Traces"],
  ["logs", "Logs"],
  ["versions", "Versions"],
  ["history", "History"],
] as const;

interface Props {
  readonly service: string;
  readonly tab: string;
  /** As chosen; empty: the default one. */
  readonly version: string;
}

/** The parts of a service's page, each with a path of its own. */
export function ServiceTabs({ service, tab, version }: Props) {
  const nav = useRef<HTMLElement>(null);
  // On a phone not all fit: the open one must be seen.
  useEffect(() => {
    nav.current
      ?.querySelector(`[data-tab="${tab}"]`)
      ?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [tab]);
  return (
    <nav class="tabs" ref={nav} aria-label="Parts of the service">
      {tabs.map(([path, title]) => (
        <Link
          key={path}
          data-tab={path}
          href={servicePath(service, path, version === "" ? {} : { version })}
          aria-current={tab === path ? "page" : undefined}
        >
          {title}
        </Link>
      ))}
    </nav>
  );
}
