import type { Hit, ServiceSummary } from "../../gen/rouse/catalog/v1/catalog.ts";
import { StateBadge } from "../components/StateBadge.tsx";
import { plural } from "../format.ts";
import { Link, servicePath } from "../router.tsx";
import { useServiceState } from "../state.ts";

/** What a search found; each with its live state. */
export function HitList({ hits }: { readonly hits: readonly Hit[] }) {
  return (
    <ul class="hits">
      {hits.map(({ service, matches }) =>
        service === undefined ? null : (
          <li class="hit" key={service.name}>
            <Link href={servicePath(service.name)}>
              <Name name={service.name} />
            </Link>
            <LiveBadge service={service} />
            {service.deprecated && <span class="badge warn">deprecated</span>}
            {service.external && <span class="badge">external</span>}
            <p class="summary">{service.summary}</p>
            <p class="facts-line soft">
              {service.defaultVersion !== "" && <span>{service.defaultVersion}</span>}
              {service.tags.map((tag) => (
                <span key={tag.name}>{tag.name}</span>
              ))}
              <span>{plural(service.versions, "version")}</span>
              {service.owner !== "" && <span>by {service.owner}</span>}
            </p>
            {matches.length > 0 && (
              <ul class="matches soft">
                {matches.slice(0, 3).map((match, index) => (
                  <li key={index}>
                    <span class="where">{match.where}</span> {match.text}
                  </li>
                ))}
              </ul>
            )}
          </li>
        ),
      )}
    </ul>
  );
}

/** A full name whose last part stands out. */
export function Name({ name }: { readonly name: string }) {
  const dot = name.lastIndexOf(".") + 1;
  return (
    <>
      <span class="package">{name.slice(0, dot)}</span>
      <b>{name.slice(dot)}</b>
    </>
  );
}

/** State of the version that calls get by default: as the stream has it, before that as the search had it. */
function LiveBadge({ service }: { readonly service: ServiceSummary }) {
  const live = useServiceState(service.name, "all");
  const version =
    live?.versions.find((candidate) => candidate.version === service.defaultVersion) ?? live?.versions[0];
  return <StateBadge state={version?.state ?? service.state} reason={version?.reason ?? ""} />;
}
