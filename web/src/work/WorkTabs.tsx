import { useStoredKey } from "../api.ts";
import { KeyField } from "../components/KeyField.tsx";
import { Link } from "../router.tsx";

const parts = [
  ["orders", "Orders"],
  ["operations", "Async calls"],
  ["runs", "Durable runs"],
  ["tasks", "Tasks"],
  ["artifacts", "Artifacts"],
] as const;

/** The kinds of work that is longer than a call; and the key that the tab keeps, to be forgotten. */
export function WorkTabs({ here }: { readonly here: (typeof parts)[number][0] }) {
  const key = useStoredKey();
  return (
    <>
      <nav class="tabs" aria-label="Kinds of work">
        {parts.map(([path, title]) => (
          <Link key={path} href={`/${path}`} aria-current={path === here ? "page" : undefined}>
            {title}
          </Link>
        ))}
      </nav>
      {key !== undefined && <KeyField />}
    </>
  );
}
