import { providers } from "../clients/providers.ts";
import { ErrorNote, Note } from "../components/Note.tsx";
import { Time } from "../components/Time.tsx";
import { plural } from "../format.ts";
import { useLoad } from "../load.ts";
import { Link, servicePath } from "../router.tsx";
import { useTitle } from "../title.ts";

/** Who registers services here. Making providers and keys is the command line's: a key is shown once. */
export function ProvidersPage() {
  useTitle("Providers");
  const { value, error } = useLoad("providers", (signal) => providers.listProviders({}, { signal }));
  return (
    <div class="stack">
      <h1>Providers</h1>
      {error !== undefined && <ErrorNote error={error} what="the providers" />}
      {value === undefined && error === undefined && <p class="loading">Loading …</p>}
      {value?.providers.length === 0 && (
        <Note>
          There is none yet. <code>rouse provider create ID</code> makes one, and its key.
        </Note>
      )}
      {value?.providers.map((provider) => (
        <section class="panel" key={provider.id} aria-label={provider.id}>
          <h2>
            {provider.name || provider.id} <code class="soft">{provider.id}</code>
          </h2>
          <p class="soft">
            {[
              provider.contact,
              // Strangers are not told the keys.
              provider.keys.length > 0
                ? plural(provider.keys.filter((key) => key.revokedAtMs === 0n).length, "key")
                : "",
              plural(provider.services.length, "service"),
            ]
              .filter((part) => part !== "")
              .join(" · ")}
            {provider.createdAtMs > 0n && " · since "}
            <Time ms={provider.createdAtMs} />
          </p>
          <ul class="plain">
            {provider.services.map((name) => (
              <li key={name}>
                <Link href={servicePath(name)}>{name}</Link>
              </li>
            ))}
          </ul>
        </section>
      ))}
    </div>
  );
}
