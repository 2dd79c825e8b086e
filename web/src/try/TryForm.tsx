import type { DescMethod } from "@bufbuild/protobuf";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { CopyButton } from "../code/CopyButton.tsx";
import { rouseCallLine } from "../code/samples.ts";
import { Note } from "../components/Note.tsx";
import { CallOptions } from "./CallOptions.tsx";
import type { MethodFacts, ReadContract } from "./contract.ts";
import { exampleOf } from "./example.ts";
import { zeroOf } from "./field-values.ts";
import { idOf, ProblemNote } from "./fields/FieldRow.tsx";
import { MessageFields } from "./fields/MessageFields.tsx";
import { ValueInput } from "./fields/ValueInput.tsx";
import { FormContext } from "./form-context.ts";
import { messageKind } from "./kinds.ts";
import { deadlineProblem, metadataProblem } from "./metadata.ts";
import { Result } from "./Result.tsx";
import { type Run, startRun } from "./run.ts";
import { linkTo } from "./share.ts";
import { useDraft } from "./use-draft.ts";

interface Props {
  readonly contract: ReadContract;
  readonly method: DescMethod;
  readonly version: string;
  readonly methods: readonly MethodFacts[];
}

/** What a wake may take at most when the contract's deadline is used, ms. */
const wakeMs = 60_000;

export function TryForm({ contract, method, version, methods }: Props) {
  const kind = useMemo(() => messageKind(method.input), [method]);
  const state = useDraft(contract, method, zeroOf(kind));
  const { draft, problems, report } = state;
  const [view, setView] = useState<"form" | "json">("form");
  const [run, setRun] = useState<Run>();
  const [refused, setRefused] = useState(false);
  const stop = useRef<() => void>(undefined);
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => () => stop.current?.(), []);

  const streams = method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming";
  const facts = methods.find(({ name }) => name === method.name);
  const contractMs = Number(facts?.deadlineMs ?? 0n);
  const wrong =
    state.textProblem !== "" ||
    problems.size > 0 ||
    deadlineProblem(draft.deadline) !== undefined ||
    draft.metadata.some((field) => metadataProblem(field) !== undefined);
  const running = run?.state === "waiting" || run?.state === "streaming";

  const send = () => {
    if (streams || running) return;
    setRefused(wrong);
    if (wrong) {
      // The note and the fields are marked first.
      setTimeout(() => firstWrong(form.current)?.focus(), 0);
      return;
    }
    const deadlineMs =
      draft.deadline.trim() === "" ? (contractMs === 0 ? 0 : contractMs + wakeMs) : Number(draft.deadline);
    stop.current = startRun(
      {
        contract,
        method,
        request: draft.request,
        spec: draft.spec.trim() === "" ? version : draft.spec.trim(),
        deadlineMs,
        metadata: draft.metadata,
      },
      setRun,
    );
  };

  return (
    <section class="try stack" aria-label={`Try ${method.name}`}>
      <div class="row">
        <div class="row">
          <button type="button" onClick={() => state.change({ request: exampleOf(method.input, contract) })}>
            Fill in an example
          </button>
          <CopyButton label="Copy link" text={() => linkTo(location.href, method.name, draft)} />
        </div>
      </div>
      {streams && (
        <Note kind="warning">
          <p>
            {`Browsers cannot send a stream of requests over gRPC-web, so ${method.name} cannot be called from here. Write a request below and call it from a terminal:`}
          </p>
          <div class="row try-line">
            <code>{rouseCallLine({ method, request: draft.request, version })}</code>
            <CopyButton text={() => rouseCallLine({ method, request: draft.request, version })} />
          </div>
        </Note>
      )}
      <form
        ref={form}
        class="panel try-form"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
            event.preventDefault();
            send();
          }
        }}
      >
        <div class="row spread">
          <h2>
            Request <code class="try-type">{method.input.typeName}</code>
          </h2>
          <fieldset class="try-views">
            <legend class="visually-hidden">View of the request</legend>
            {(["form", "json"] as const).map((one) => (
              <button key={one} type="button" aria-pressed={view === one} onClick={() => setView(one)}>
                {one === "form" ? "Form" : "JSON"}
              </button>
            ))}
          </fieldset>
        </div>
        {view === "form" ? (
          <FormContext.Provider value={{ contract, problem: (path) => problems.get(path), report }}>
            {state.textProblem !== "" && (
              <Note kind="warning">{`The JSON view holds an error: ${state.textProblem}`}</Note>
            )}
            {kind.is === "message" ? (
              <MessageFields
                desc={kind.desc}
                path=""
                value={draft.request}
                onChange={(request) => state.change({ request })}
              />
            ) : (
              <ValueInput
                kind={kind}
                id={idOf("")}
                path=""
                label="request"
                value={draft.request}
                onChange={(request) => state.change({ request: request ?? zeroOf(kind) })}
                emptyIsUnset={false}
              />
            )}
            <ProblemNote path="" />
            <UnseenProblems problems={problems} />
          </FormContext.Provider>
        ) : (
          <JsonView text={state.text} problem={state.textProblem} problems={problems} onInput={state.type} />
        )}
        <CallOptions draft={draft} version={version} contractMs={contractMs} onChange={state.change} />
        {!streams && (
          <div class="row try-send">
            <button type="submit" class="primary" disabled={running}>
              {running ? "Calling …" : `Call ${method.name}`}
            </button>
            {running && (
              <button type="button" onClick={() => stop.current?.()}>
                Stop
              </button>
            )}
            <span class="soft">Ctrl+Enter</span>
            {refused && wrong && (
              <span role="alert" class="try-problem">
                Nothing was sent: the marked fields are wrong.
              </span>
            )}
          </div>
        )}
      </form>
      {run !== undefined && (
        <Result run={run} service={method.parent.typeName} method={method.name} version={version} />
      )}
    </section>
  );
}

function firstWrong(form: HTMLFormElement | null): HTMLElement | null {
  return form?.querySelector<HTMLElement>('[aria-invalid="true"], .try-problem') ?? null;
}

/** Problems at places that the form does not draw: unknown fields, entries beyond those shown. */
function UnseenProblems({ problems }: { readonly problems: ReadonlyMap<string, string> }) {
  const list = useRef<HTMLUListElement>(null);
  const [unseen, setUnseen] = useState<readonly (readonly [string, string])[]>([]);
  useEffect(() => {
    const drawn = new Set(
      [...(list.current?.closest("form")?.querySelectorAll<HTMLElement>("[data-path]") ?? [])].map(
        ({ dataset }) => dataset.path,
      ),
    );
    const next = [...problems].filter(([path]) => !drawn.has(path));
    setUnseen((before) => (JSON.stringify(before) === JSON.stringify(next) ? before : next));
  }, [problems]);
  return (
    <ul ref={list} class="try-unseen" hidden={unseen.length === 0}>
      {unseen.slice(0, 20).map(([path, problem]) => (
        <li key={path} class="try-problem">
          <code>{path}</code> {problem}
        </li>
      ))}
    </ul>
  );
}

interface JsonViewProps {
  readonly text: string;
  readonly problem: string;
  readonly problems: ReadonlyMap<string, string>;
  readonly onInput: (text: string) => void;
}

function JsonView({ text, problem, problems, onInput }: JsonViewProps) {
  const wrong = problem !== "" || problems.size > 0;
  return (
    <div class="stack">
      <textarea
        class="try-json mono"
        aria-label="Request as JSON"
        aria-describedby="try-json-problems"
        {...(wrong && { "aria-invalid": "true" })}
        rows={Math.min(24, Math.max(6, text.split("\n").length + 1))}
        spellcheck={false}
        value={text}
        onInput={({ currentTarget }) => onInput(currentTarget.value)}
      />
      <ul id="try-json-problems" class="try-unseen" hidden={!wrong}>
        {problem !== "" ? (
          <li class="try-problem">{problem}</li>
        ) : (
          [...problems].slice(0, 20).map(([path, what]) => (
            <li key={path} class="try-problem">
              {path !== "" && <code>{path}</code>} {what}
            </li>
          ))
        )}
      </ul>
    </div>
  );
}
