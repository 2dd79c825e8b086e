import { useState } from "preact/hooks";
import type { ReadBuildLogResponse } from "../../gen/rouse/registry/v1/builds.ts";
import { RouseError, withKey } from "../api.ts";
import { builds } from "../clients/builds.ts";
import { KeyField } from "../components/KeyField.tsx";
import { LogLines, useLogLines } from "../components/LogLines.tsx";
import { ErrorNote, Note } from "../components/Note.tsx";
import { OutsideLink } from "../components/OutsideLink.tsx";
import { Time } from "../components/Time.tsx";
import { useLoad } from "../load.ts";
import { Link, servicePath } from "../router.tsx";
import { useTitle } from "../title.ts";
import { BuildBadge, isOver } from "./BuildBadge.tsx";

/** One build, and its log as it grows. */
export function BuildPage({ id }: { readonly id: string }) {
  useTitle(`Build ${id}`);
  const { lines, status, error: logError, steps } = useLog(id);
  // The build itself is read again at each new step and at the log's end.
  const { value, error, reload } = useLoad(`${id} ${steps} ${status}`, (signal) =>
    builds.getBuild({ id }, { signal }),
  );
  const build = value?.build;
  return (
    <div class="stack">
      <div class="row">
        <h1>
          Build <span class="mono">{id}</span>
        </h1>
        {build !== undefined && <BuildBadge build={build} />}
      </div>
      {error !== undefined && <ErrorNote error={error} what="the build" />}
      {build !== undefined && (
        <>
          {build.reason !== "" && <Note kind="error">{build.reason}</Note>}
          <dl class="facts panel">
            <dt>Repository</dt>
            <dd>
              <OutsideLink url={build.repository}>{build.repository}</OutsideLink>
              {build.folder !== "" && `, folder ${build.folder}`}
            </dd>
            <dt>Ref</dt>
            <dd>{build.ref || "the default branch"}</dd>
            {build.commit !== "" && (
              <>
                <dt>Commit</dt>
                <dd class="mono">{build.commit}</dd>
              </>
            )}
            {build.service !== "" && (
              <>
                <dt>Registered</dt>
                <dd>
                  <Link href={servicePath(build.service, "", { version: build.version })}>
                    {build.service} {build.version}
                  </Link>
                </dd>
              </>
            )}
            <dt>Queued</dt>
            <dd>
              <Time ms={build.queuedAtMs} /> by {build.provider || "the administrator"}
            </dd>
          </dl>
          {!isOver(build) && <Cancel id={id} onDone={reload} />}
        </>
      )}
      {logError !== undefined && error === undefined && <ErrorNote error={logError} what="the build's log" />}
      {lines.length > 0 && <Log lines={lines} />}
    </div>
  );
}

function useLog(id: string) {
  const log = useLogLines(id, (signal) =>
    builds.readBuildLog({ id, follow: true }, { signal, deadlineMs: 0 }),
  );
  return { ...log, steps: new Set(log.lines.map(({ step }) => step)).size };
}

function Log({ lines }: { readonly lines: readonly ReadBuildLogResponse[] }) {
  return (
    <LogLines label="Log of the build" lines={lines}>
      {lines.map(({ step, line }, index) => (
        <div key={index}>
          <span class="step">{step === lines[index - 1]?.step ? "" : step}</span>
          <span>{line}</span>
        </div>
      ))}
    </LogLines>
  );
}

function Cancel({ id, onDone }: { readonly id: string; readonly onDone: () => void }) {
  const [error, setError] = useState<RouseError>();
  const cancel = async () => {
    try {
      await builds.cancelBuild({ id }, withKey());
      onDone();
    } catch (thrown) {
      setError(RouseError.from(thrown));
    }
  };
  return (
    <details>
      <summary>Cancel this build</summary>
      <div class="form">
        <KeyField />
        <div>
          <button type="button" onClick={() => void cancel()}>
            Cancel the build
          </button>
        </div>
        {error !== undefined && <ErrorNote error={error} what="cancelling" />}
      </div>
    </details>
  );
}
