import { Fragment } from "preact";
import type {
  About,
  Field,
  GetServiceResponse,
  ServiceState,
  VersionInfo,
} from "../../gen/rouse/catalog/v1/catalog.ts";
import { Markdown } from "../components/Markdown.tsx";
import { OutsideLink } from "../components/OutsideLink.tsx";
import { Facts } from "./Facts.tsx";
import { Instances } from "./Instances.tsx";
import { LiveVersions } from "./LiveVersions.tsx";
import { Wakes } from "./Wakes.tsx";

interface Props {
  readonly service: string;
  readonly version: string;
  readonly info: VersionInfo | undefined;
  readonly known: GetServiceResponse | undefined;
  readonly live: ServiceState | undefined;
}

/** What the service is, and how it is doing. */
export function Overview({ service, version, info, known, live }: Props) {
  return (
    <div class="overview">
      <div class="stack">
        {info?.about !== undefined && <AboutText about={info.about} />}
        <Instances service={service} live={live} />
        <Wakes service={service} live={live} />
      </div>
      <div class="stack aside">
        <LiveVersions service={service} version={version} live={live} />
        <Facts known={known} info={info} />
      </div>
    </div>
  );
}

const texts = [
  ["description", "What it does"],
  ["purpose", "Why use it"],
  ["usage", "How to use it"],
  ["misuse", "How not to use it"],
  ["workflow", "Workflow"],
] as const;

function AboutText({ about }: { readonly about: About }) {
  const parts = texts.filter(([name]) => about[name] !== "");
  const { parameters, metadata, links, keywords } = about;
  if (parts.length + parameters.length + metadata.length + links.length === 0)
    return <p class="soft">Its owner has not described it yet.</p>;
  return (
    <section class="panel about" aria-label="Description">
      {parts.map(([name, title]) => (
        <section key={name}>
          <h2>{title}</h2>
          <Markdown text={about[name]} />
        </section>
      ))}
      <Fields title="Parameters" fields={parameters} />
      <Fields title="Metadata" fields={metadata} />
      {links.length > 0 && (
        <section>
          <h2>Links</h2>
          <ul>
            {links.map(({ title, url }) => (
              <li key={url}>
                <OutsideLink url={url}>{title || url}</OutsideLink>
              </li>
            ))}
          </ul>
        </section>
      )}
      {keywords.length > 0 && (
        <p class="row">
          {keywords.map((word) => (
            <span class="badge" key={word}>
              {word}
            </span>
          ))}
        </p>
      )}
    </section>
  );
}

function Fields({ title, fields }: { readonly title: string; readonly fields: readonly Field[] }) {
  if (fields.length === 0) return null;
  return (
    <section>
      <h2>{title}</h2>
      <dl class="fields">
        {fields.map((field) => (
          <Fragment key={field.name}>
            <dt>
              <code>{field.name}</code> <span class="soft">{field.required ? "required" : "optional"}</span>
            </dt>
            <dd>
              <Markdown text={field.description} />
            </dd>
          </Fragment>
        ))}
      </dl>
    </section>
  );
}
