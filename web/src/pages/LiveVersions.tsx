import { Fragment } from "preact";
import type { ServiceState } from "../../gen/rouse/catalog/v1/catalog.ts";
import { ErrorNote } from "../components/Note.tsx";
import { StateBadge } from "../components/StateBadge.tsx";
import { plural } from "../format.ts";
import { Link, servicePath } from "../router.tsx";
import { useStateStream } from "../state.ts";

interface Props {
  readonly service: string;
  readonly version: string;
  readonly live: ServiceState | undefined;
}

/** The state of each version, as it changes. */
export function LiveVersions({ service, version, live }: Props) {
  const stream = useStateStream(service);
  return (
    <section class="panel live" aria-label="Live state">
      <h2>Live state</h2>
      {live === undefined && stream.status === "connecting" && <p class="loading">Loading …</p>}
      {live === undefined && stream.error !== undefined && (
        <ErrorNote error={stream.error} what="the live state" />
      )}
      <ul class="plain" aria-live="polite">
        {live?.versions.map((each) => (
          <li key={each.version}>
            <div class="row spread">
              <Link
                href={servicePath(service, "", { version: each.version })}
                aria-current={each.version === version ? "page" : undefined}
              >
                {each.version}
              </Link>
              <StateBadge state={each.state} reason={each.reason} />
            </div>
            {each.reason !== "" && <p class="soft">{each.reason}</p>}
            {each.instances.length > 0 && (
              <p class="soft">
                {plural(each.instances.length, "instance")}, generation {String(each.generation)}
              </p>
            )}
          </li>
        ))}
      </ul>
      {live !== undefined && live.tags.length > 0 && (
        <dl class="facts tags">
          {live.tags.map(({ name, members }) => (
            <Fragment key={name}>
              <dt>{name}</dt>
              <dd>
                {members
                  .map((member) =>
                    members.length > 1 ? `${member.version} (${member.weight})` : member.version,
                  )
                  .join(", ")}
              </dd>
            </Fragment>
          ))}
        </dl>
      )}
    </section>
  );
}
