import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";

/** Where the page is. */
export interface Location {
  /** Parts of the path, decoded: ["services", "genome.v1.GenomeService"]. */
  readonly parts: readonly string[];
  readonly query: URLSearchParams;
}

const listeners = new Set<() => void>();

function read(): Location {
  const parts = location.pathname
    .split("/")
    .filter((part) => part !== "")
    .map((part) => {
      try {
        return decodeURIComponent(part);
      } catch {
        return part;
      }
    });
  return { parts, query: new URLSearchParams(location.search) };
}

/** The page's location; the component is drawn again when it changes. */
export function useLocation(): Location {
  const [value, setValue] = useState(read);
  useEffect(() => {
    const update = () => setValue(read());
    listeners.add(update);
    window.addEventListener("popstate", update);
    return () => {
      listeners.delete(update);
      window.removeEventListener("popstate", update);
    };
  }, []);
  return value;
}

/** Goes to a path of the site without loading a document. */
export function navigate(href: string, { replace = false }: { replace?: boolean } = {}): void {
  const samePath = new URL(href, location.href).pathname === location.pathname;
  history[replace ? "replaceState" : "pushState"](null, "", href);
  for (const listener of [...listeners]) listener();
  if (!samePath) scrollTo(0, 0);
}

/** The path and query with some parameters changed; empty values are left out. */
export function withQuery(changes: Readonly<Record<string, string>>): string {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === "") query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  return location.pathname + (text === "" ? "" : `?${text}`);
}

/** Path of a service's page. */
export function servicePath(service: string, tab = "", query: Readonly<Record<string, string>> = {}): string {
  const text = new URLSearchParams(query).toString();
  return `/services/${encodeURIComponent(service)}${tab === "" ? "" : `/${tab}`}${text === "" ? "" : `?${text}`}`;
}

interface LinkProps {
  readonly href: string;
  readonly children: ComponentChildren;
  readonly class?: string;
  readonly title?: string;
  readonly "data-tab"?: string;
  readonly "aria-current"?: "page" | undefined;
}

/** A link within the site. */
export function Link({ href, children, ...rest }: LinkProps) {
  const onClick = (event: MouseEvent) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    navigate(href);
  };
  return (
    <a {...rest} href={href} onClick={onClick}>
      {children}
    </a>
  );
}
