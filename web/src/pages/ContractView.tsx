import { useEffect } from "preact/hooks";
import type {
  FieldDoc,
  GetContractResponse,
  MethodDoc,
  TypeDoc,
} from "../../gen/rouse/catalog/v1/catalog.ts";
import { Markdown } from "../components/Markdown.tsx";
import { duration } from "../format.ts";
import { Link, servicePath } from "../router.tsx";

interface Props {
  readonly service: string;
  readonly contract: GetContractResponse;
  readonly query: URLSearchParams;
}

/** Methods and messages with their comments; each has an anchor, and each type leads to its own. */
export function ContractView({ service, contract, query }: Props) {
  const types = new Set(contract.types.map(({ name }) => name));
  // The anchor of the URL was not there yet when the document was loaded.
  useEffect(() => {
    const anchor = decodeURIComponent(location.hash.slice(1));
    if (anchor !== "") document.getElementById(anchor)?.scrollIntoView();
  }, []);
  const version = query.get("version") ?? "";
  const toTab = (tab: string, method: string) =>
    servicePath(service, tab, { ...(version === "" ? {} : { version }), method });
  return (
    <div class="contract">
      <nav class="index" aria-label="Methods and messages">
        <h2>Methods</h2>
        <ul>
          {contract.methods.map(({ name }) => (
            <li key={name}>
              <a href={`#method-${name}`}>{name}</a>
            </li>
          ))}
        </ul>
        <h2>Messages</h2>
        <ul>
          {contract.types.map(({ name }) => (
            <li key={name}>
              <a href={`#type-${name}`}>{shortName(name)}</a>
            </li>
          ))}
        </ul>
      </nav>
      <div class="stack">
        {contract.methods.map((method) => (
          <Method key={method.name} method={method} types={types} toTab={toTab} />
        ))}
        {contract.types.map((type) => (
          <Type key={type.name} type={type} types={types} />
        ))}
      </div>
    </div>
  );
}

interface MethodProps {
  readonly method: MethodDoc;
  readonly types: ReadonlySet<string>;
  readonly toTab: (tab: string, method: string) => string;
}

function Method({ method, types, toTab }: MethodProps) {
  const facts = [
    method.mode !== "" && method.mode !== "sync" ? method.mode : "",
    method.deadlineMs > 0n ? `deadline ${duration(method.deadlineMs)}` : "",
    method.idempotency !== "" && method.idempotency !== "unknown"
      ? method.idempotency.replace(/_/g, " ")
      : "",
    method.http,
  ].filter((fact) => fact !== "");
  return (
    <section class="panel" id={`method-${method.name}`}>
      <div class="row spread">
        <h2>{method.name}</h2>
        <span class="row">
          <Link href={toTab("try", method.name)}>
            Try<span class="visually-hidden"> {method.name}</span>
          </Link>
          <Link href={toTab("code", method.name)}>
            Code<span class="visually-hidden"> for {method.name}</span>
          </Link>
        </span>
      </div>
      <p class="mono signature">
        {method.clientStreaming && "stream "}
        <TypeLink name={method.input} types={types} /> → {method.serverStreaming && "stream "}
        <TypeLink name={method.output} types={types} />
      </p>
      <Markdown text={method.docs} />
      {facts.length > 0 && (
        <p class="facts-line soft">
          {facts.map((fact) => (
            <span key={fact}>{fact}</span>
          ))}
        </p>
      )}
    </section>
  );
}

function Type({ type, types }: { readonly type: TypeDoc; readonly types: ReadonlySet<string> }) {
  return (
    <section class="panel" id={`type-${type.name}`}>
      <h2>
        {shortName(type.name)}
        <span class="soft kind">{type.isEnum ? " enum" : " message"}</span>
      </h2>
      <Markdown text={type.docs} />
      {type.fields.length === 0 ? (
        <p class="soft">No fields.</p>
      ) : (
        <dl class="fields">
          {type.fields.map((field) => (
            <Field key={field.name} field={field} types={types} />
          ))}
        </dl>
      )}
    </section>
  );
}

function Field({ field, types }: { readonly field: FieldDoc; readonly types: ReadonlySet<string> }) {
  return (
    <>
      <dt>
        <code>{field.name}</code>
        <span class="mono type">
          <TypeLink name={field.typeName} text={field.type} types={types} />
        </span>
        {field.oneof !== "" && <span class="soft"> one of {field.oneof}</span>}
      </dt>
      <dd>
        <Markdown text={field.docs} />
      </dd>
    </>
  );
}

/** A type's name, as a link to where it is described on this page. */
function TypeLink({
  name,
  text = shortName(name),
  types,
}: {
  readonly name: string;
  readonly text?: string;
  readonly types: ReadonlySet<string>;
}) {
  const shown = name === "" ? text : text.replace(name, shortName(name));
  return types.has(name) ? <a href={`#type-${name}`}>{shown}</a> : <span title={name}>{shown}</span>;
}

function shortName(name: string): string {
  // Of "genome.v1.Region.Strand" all that begins with a capital: a nested type keeps its parent.
  return /(?:^|\.)([A-Z][\w.]*)$/.exec(name)?.[1] ?? name;
}
