import type { DescMethod } from "@bufbuild/protobuf";
import { useCallback, useMemo, useState } from "preact/hooks";
import { problemsOf } from "./check.ts";
import type { ReadContract } from "./contract.ts";
import { formatJson, type Json, parseJson } from "./json.ts";
import { type Draft, draftOf } from "./share.ts";

/** The request that is being written, in both views, and what is wrong with it. */
export interface DraftState {
  readonly draft: Draft;
  /** JSON as typed. */
  readonly text: string;
  /** Why the typed JSON cannot be read; "": it can. */
  readonly textProblem: string;
  readonly problems: ReadonlyMap<string, string>;
  change(part: Partial<Draft>): void;
  /** Takes JSON as it is typed; while it cannot be read, the form keeps what was before. */
  type(text: string): void;
  report(path: string, problem: string | undefined): void;
}

export function useDraft(contract: ReadContract, method: DescMethod, empty: Json): DraftState {
  const [draft, setDraft] = useState<Draft>(
    () => draftOf(location.hash, method.name) ?? { request: empty, spec: "", deadline: "", metadata: [] },
  );
  // What is typed as JSON stays as it is typed while it means the request.
  const [typed, setTyped] = useState<string>();
  const [own, setOwn] = useState<ReadonlyMap<string, string>>(new Map());
  const parsed = useMemo(() => (typed === undefined ? undefined : parseJson(typed)), [typed]);
  const means = parsed !== undefined && ("error" in parsed || parsed.value === draft.request);
  const text = means ? (typed ?? "") : formatJson(draft.request);
  const problems = useMemo(() => {
    const all = new Map(problemsOf(method.input, draft.request, contract.registry));
    for (const [path, problem] of own) all.set(path, problem);
    return all;
  }, [method, contract, draft.request, own]);
  const change = useCallback((part: Partial<Draft>) => {
    if ("request" in part) setTyped(undefined);
    setDraft((before) => ({ ...before, ...part }));
  }, []);
  const type = useCallback((next: string) => {
    setTyped(next);
    const read = parseJson(next);
    if ("value" in read) setDraft((before) => ({ ...before, request: read.value }));
  }, []);
  const report = useCallback((path: string, problem: string | undefined) => {
    setOwn((before) => {
      if (before.get(path) === problem) return before;
      const next = new Map(before);
      if (problem === undefined) next.delete(path);
      else next.set(path, problem);
      return next;
    });
  }, []);
  const textProblem = means && parsed !== undefined && "error" in parsed ? parsed.error : "";
  return { draft, text, textProblem, problems, change, type, report };
}
