import type { ComponentChildren } from "preact";

/** A link that a provider wrote: of http, https and mailto, else only its text. */
export function OutsideLink({
  url,
  children,
}: {
  readonly url: string;
  readonly children: ComponentChildren;
}) {
  const parsed = URL.parse(url);
  if (parsed === null || !["http:", "https:", "mailto:"].includes(parsed.protocol))
    return <span title={url}>{children}</span>;
  return (
    <a href={parsed.href} rel="noreferrer noopener nofollow" target="_blank">
      {children}
    </a>
  );
}
