import { SearchRequest } from "../../gen/rouse/catalog/v1/catalog.ts";
import { catalog } from "../api.ts";
import { ErrorNote } from "../components/Note.tsx";
import { useLoad } from "../load.ts";
import { Link, servicePath } from "../router.tsx";

export function CatalogPage({ query }: { readonly query: URLSearchParams }) {
  const text = query.get("q") ?? "";
  const { value, error } = useLoad(text, (signal) =>
    catalog.search(SearchRequest.create({ query: text }), { signal }),
  );
  if (error !== undefined) return <ErrorNote error={error} what="the search" />;
  return (
    <ul>
      {value?.hits.map(({ service }) => (
        <li key={service?.name}>
          <Link href={servicePath(service?.name ?? "")}>{service?.name}</Link> {service?.summary}
        </li>
      ))}
    </ul>
  );
}
