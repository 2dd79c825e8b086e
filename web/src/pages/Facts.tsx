import type { ComponentChildren } from "preact";
import type { GetServiceResponse, Needs, Source, VersionInfo } from "../../gen/rouse/catalog/v1/catalog.ts";
import { OutsideLink } from "../components/OutsideLink.tsx";
import { Time } from "../components/Time.tsx";
import { bytes, duration } from "../format.ts";
import { Link } from "../router.tsx";

interface Props {
  readonly known: GetServiceResponse | undefined;
  readonly info: VersionInfo | undefined;
}

/** Who made a version, from what, and what it needs. */
export function Facts({ known, info }: Props) {
  if (known === undefined || info === undefined) return null;
  const { about, source, needs } = info;
  return (
    <section class="panel" aria-label="Facts">
      <h2>Version {info.version}</h2>
      <dl class="facts">
        <Fact name="Owner">{known.summary?.owner}</Fact>
        <Fact name="Provider">{known.summary?.provider}</Fact>
        <Fact name="Registered">
          {info.registeredAtMs > 0n && (
            <>
              <Time ms={info.registeredAtMs} />
              {info.registeredBy !== "" && ` by ${info.registeredBy}`}
            </>
          )}
        </Fact>
        <SourceFacts source={source} />
        <Fact name="Licence">{about?.license}</Fact>
        <Fact name="Contact">{about?.contact !== "" && <Contact contact={about?.contact ?? ""} />}</Fact>
        <Fact name="By HTTP">
          {info.external && info.version === known.summary?.defaultVersion && (
            // Swagger's page is not of this site: the browser loads it.
            <a href={`/openapi/${encodeURIComponent(known.summary.name)}`}>JSON and OpenAPI</a>
          )}
        </Fact>
        <Fact name="Artifact">{info.artifact !== "" && <code>{shorten(info.artifact)}</code>}</Fact>
        <Fact name="Description">{info.revision > 0n && `revision ${info.revision}`}</Fact>
        <Fact name="Approval">{info.approval}</Fact>
        <Fact name="Needs">{needs !== undefined && needsText(needs)}</Fact>
        <Fact name="Instances">{needs !== undefined && instancesText(needs)}</Fact>
        <Fact name="Ends after">
          {needs !== undefined &&
            (needs.idleTimeoutMs === 0n ? "never idle" : `${duration(needs.idleTimeoutMs)} without calls`)}
        </Fact>
      </dl>
    </section>
  );
}

function Fact({ name, children }: { readonly name: string; readonly children: ComponentChildren }) {
  if (children === undefined || children === "" || children === false) return null;
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

function SourceFacts({ source }: { readonly source: Source | undefined }) {
  if (source === undefined) return null;
  return (
    <>
      <Fact name="Source">
        {source.repository !== "" && <OutsideLink url={source.repository}>{source.repository}</OutsideLink>}
      </Fact>
      <Fact name="Commit">
        {source.commit !== "" && (
          <>
            <code title={source.commit}>{source.commit.slice(0, 12)}</code>
            {source.ref !== "" && ` (${source.ref})`}
          </>
        )}
      </Fact>
      <Fact name="Build">
        {source.build !== "" && <Link href={`/builds/${encodeURIComponent(source.build)}`}>log</Link>}
      </Fact>
    </>
  );
}

function Contact({ contact }: { readonly contact: string }) {
  const url = /^[^\s@:/]+@[^\s@/]+$/.test(contact) ? `mailto:${contact}` : contact;
  return <OutsideLink url={url}>{contact}</OutsideLink>;
}

function shorten(artifact: string): string {
  return artifact.startsWith("sha256:") ? artifact.slice(0, 19) : artifact;
}

/** "2 cores, 512 MiB, 1 GPU, zone=a". */
function needsText({ cpu, memoryBytes, gpu, labels }: Needs): string {
  return [
    cpu > 0 ? `${cpu} ${cpu === 1 ? "core" : "cores"}` : "",
    memoryBytes > 0n ? bytes(memoryBytes) : "",
    gpu > 0 ? `${gpu} GPU` : "",
    ...Object.entries(labels).map(([name, value]) => `${name}=${value}`),
  ]
    .filter((part) => part !== "")
    .join(", ");
}

function instancesText({ minInstances, maxInstances, targetConcurrency }: Needs): string {
  const range = maxInstances === 0 ? `${minInstances} or more` : `${minInstances} to ${maxInstances}`;
  return targetConcurrency === 0 ? range : `${range}, ${targetConcurrency} calls each`;
}
