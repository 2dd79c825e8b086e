import { useEffect, useRef, useState } from "preact/hooks";
import type { ReadBuildLogResponse } from "../../gen/rouse/registry/v1/builds.ts";
import { RouseError, withKey } from "../api.ts";
import { builds } from "../clients/builds.ts";
import { KeyField } from "../components/KeyField.tsx";
import { ErrorNote, Note } from "../components/Note.tsx";
import { OutsideLink } from "../components/OutsideLink.tsx";
import { Time } from "../components/Time.tsx";
import { useLoad } from "../load.ts";
import { Link, servicePath } from "../router.tsx";
import { useStream } from "../stream.ts";
import { useTitle } from "../title.ts";
import { BuildBadge, isOver } from "./BuildBadge.tsx";
import "./build.css";

/** Lines of a log that the page keeps. */
const MOST_LINES = 20_000;

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
  const [lines, setLines] = useState<readonly ReadBuildLogResponse[]>([]);
  const pending = useRef<ReadBuildLogResponse[]>([]);
  const frame = useRef(0);
  const { status, error } = useStream(id, {
    endless: false,
    open: (signal) => {
      pending.current = [];
      setLines([]);
      return builds.readBuildLog({ id, follow: true }, { signal, deadlineMs: 0 });
    },
    onMessage: (line) => {
      // A log may come faster than a page is drawn.
      pending.current.push(line);
      if (frame.current !== 0) return;
      frame.current = requestAnimationFrame(() => {
        frame.current = 0;
        const more = pending.current;
        pending.current = [];
        setLines((before) => [...before, ...more].slice(-MOST_LINES));
      });
    },
  });
  useEffect(() => () => cancelAnimationFrame(frame.current), []);
  return { lines, status, error, steps: new Set(lines.map(({ step }) => step)).size };
}

function Log({ lines }: { readonly lines: readonly ReadBuildLogResponse[] }) {
  const box = useRef<HTMLPreElement>(null);
  const atEnd = useRef(true);
  useEffect(() => {
    if (atEnd.current && box.current !== null) box.current.scrollTop = box.current.scrollHeight;
  }, [lines]);
  return (
    <pre
      class="build-log"
      ref={box}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys.
      tabIndex={0}
      role="log"
      aria-label="Log of the build"
      onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
        atEnd.current = scrollHeight - scrollTop - clientHeight < 30;
      }}
    >
      {lines.map(({ step, line }, index) => (
        <div key={index}>
          <span class="step">{step === lines[index - 1]?.step ? "" : step}</span>
          <span>{line}</span>
        </div>
      ))}
    </pre>
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
