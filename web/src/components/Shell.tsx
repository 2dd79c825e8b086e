import type { ComponentChildren, RefObject } from "preact";
import { Link } from "../router.tsx";
import { useConnectionLost } from "../stream.ts";
import { Footer } from "./Footer.tsx";
import { ThemeToggle } from "./ThemeToggle.tsx";

const sections = [
  ["", "Catalog"],
  ["orders", "Work"],
  ["reviews", "Reviews"],
  ["hosts", "Hosts"],
  ["builds", "Builds"],
  ["providers", "Providers"],
] as const;

/** They share one entry, and are told apart by tabs of their own. */
const workSections = new Set(["operations", "orders", "tasks", "runs", "artifacts"]);

interface Props {
  /** First part of the path. */
  readonly section: string;
  readonly main: RefObject<HTMLElement | null>;
  readonly children: ComponentChildren;
}

/** What surrounds each page: a skip link, the navigation, the main part. */
export function Shell({ section, main, children }: Props) {
  const lost = useConnectionLost();
  const here = section === "services" ? "" : workSections.has(section) ? "orders" : section;
  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <header class="top">
        <div class="inner">
          <Link class="brand" href="/">
            <img src="/favicon.svg" width="22" height="22" alt="" /> Rouse
          </Link>
          <nav aria-label="Site">
            {sections.map(([path, title]) => (
              <Link key={path} href={`/${path}`} aria-current={here === path ? "page" : undefined}>
                {title}
              </Link>
            ))}
          </nav>
          <ThemeToggle />
        </div>
      </header>
      {lost && (
        <div class="connection" role="status">
          The connection is lost; what you see may be out of date. Trying again …
        </div>
      )}
      <main id="main" ref={main} tabIndex={-1}>
        {children}
      </main>
      <Footer />
    </>
  );
}
