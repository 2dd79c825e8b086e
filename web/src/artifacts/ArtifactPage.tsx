import { useEffect } from "preact/hooks";
import type { Artifact } from "../../gen/rouse/orders/v1/artifacts.ts";
import { leaveKeyForContents } from "../api.ts";
import { artifacts } from "../clients/artifacts.ts";
import { CopyButton } from "../code/CopyButton.tsx";
import { Time } from "../components/Time.tsx";
import { bytes, count } from "../format.ts";
import { useLoad } from "../load.ts";
import { Link } from "../router.tsx";
import { useTitle } from "../title.ts";
import { WorkError } from "../work/WorkError.tsx";
import { WorkTabs } from "../work/WorkTabs.tsx";
import { ArtifactContent } from "./ArtifactContent.tsx";
import { ArtifactHistory } from "./ArtifactHistory.tsx";
import { contentPath } from "./read.ts";
import { artifactName } from "./uri.ts";

/** One artifact: its content, what was said of it, and what became of it. */
export function ArtifactPage({ digest }: { readonly digest: string }) {
  const uri = `artifact:${digest}`;
  const { value, error } = useLoad(uri, (signal) => artifacts.getArtifact({ uri }, { signal }));
  const name = value?.name || artifactName(uri);
  useTitle(name);
  useEffect(leaveKeyForContents, []);
  return (
    <div class="stack">
      <WorkTabs here="artifacts" />
      <h1>{name}</h1>
      {error !== undefined && <WorkError error={error} what="the artifact" />}
      {value === undefined && error === undefined && <p class="loading">Loading …</p>}
      {value !== undefined && (
        <>
          <div class="row">
            <a href={`${contentPath(value.uri, name)}?download`} download={name}>
              {`Download (${bytes(value.bytes)})`}
            </a>
            <CopyButton text={() => value.uri} label="Copy the URI" />
          </div>
          <ArtifactContent artifact={value} />
          <Facts artifact={value} />
        </>
      )}
      {(value !== undefined || error?.reason === "ARTIFACT_REMOVED") && <ArtifactHistory uri={uri} />}
    </div>
  );
}

function Facts({ artifact }: { readonly artifact: Artifact }) {
  const { uri, mediaType, metadata, owner, createdAtMs, keepUntilMs, holders } = artifact;
  return (
    <dl class="facts panel">
      <dt>Size</dt>
      <dd>
        {bytes(artifact.bytes)}
        {artifact.bytes >= 1024n && <span class="soft">{` (${count(artifact.bytes)} bytes)`}</span>}
        {mediaType !== "" && `, ${mediaType}`}
      </dd>
      <dt>Stored</dt>
      <dd>
        <Time ms={createdAtMs} />
        {owner !== "" && ` by ${owner}`}
      </dd>
      <dt>Forgotten</dt>
      <dd>
        {keepUntilMs === 0n ? "never" : <Time ms={keepUntilMs} />}
        {holders.length > 0 && <Holders holders={holders} />}
      </dd>
      {Object.entries(metadata).map(([key, value]) => [
        <dt key={key}>{key}</dt>,
        <dd key={`${key} value`}>{value}</dd>,
      ])}
      <dt>URI</dt>
      <dd class="mono">{uri}</dd>
    </dl>
  );
}

/** Longest list of holders that is drawn. */
const MOST = 10;

function Holders({ holders }: { readonly holders: readonly string[] }) {
  return (
    <>
      {", and not as long as "}
      {holders.slice(0, MOST).map((holder, index) => (
        <span key={holder}>
          {index > 0 && ", "}
          <Holder holder={holder} />
        </span>
      ))}
      {holders.length > MOST && ` and ${holders.length - MOST} more`}
      {holders.length === 1 ? " holds it" : " hold it"}
    </>
  );
}

const pages: Readonly<Record<string, string>> = { order: "orders", run: "runs", task: "tasks" };

function Holder({ holder }: { readonly holder: string }) {
  const [kind = "", id = ""] = holder.split(":", 2);
  const page = Object.hasOwn(pages, kind) ? pages[kind] : undefined;
  const text = `${kind} ${id.slice(0, 8)}`;
  if (page === undefined || id === "") return <>{holder}</>;
  return <Link href={`/${page}/${encodeURIComponent(id)}`}>{text}</Link>;
}
