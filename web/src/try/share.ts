import { isObject, type Json, parseJson } from "./json.ts";

/** All that one sets before a call. */
export interface Draft {
  readonly request: Json;
  /** Version spec; "": release. */
  readonly spec: string;
  /** ms as typed; "": the contract's. */
  readonly deadline: string;
  readonly metadata: readonly MetadataField[];
}

/** One request header. */
export interface MetadataField {
  readonly name: string;
  readonly value: string;
}

/** Longest text of a link; ms. Chat programs and address bars cut longer ones. */
const longestLink = 16_000;

const secret = /auth|cookie|key|secret|token|password/i;

/**
 * The page's address with the request in its fragment, which browsers do not send to servers. Metadata that looks like a
 * secret is left out.
 *
 * @throws Error when it gets too long.
 */
export function linkTo(page: string, method: string, draft: Draft): string {
  const fields = draft.metadata.filter(({ name }) => name !== "" && !secret.test(name));
  const state = {
    method,
    request: draft.request,
    ...(draft.spec !== "" && { spec: draft.spec }),
    ...(draft.deadline !== "" && { deadline: draft.deadline }),
    ...(fields.length > 0 && {
      metadata: Object.fromEntries(fields.map(({ name, value }) => [name, value])),
    }),
  };
  const url = new URL(page);
  url.hash = `try=${encodeURIComponent(JSON.stringify(state))}`;
  if (url.href.length > longestLink)
    throw new Error(
      `The request is too long for a link (${url.href.length} of ${longestLink} characters); copy its JSON.`,
    );
  return url.href;
}

/** Whether the fragment holds a request for this method, and which; a link that is broken holds none. */
export function draftOf(hash: string, method: string): Draft | undefined {
  const text = /^#try=(.*)$/s.exec(hash)?.[1];
  if (text === undefined) return undefined;
  let parsed: ReturnType<typeof parseJson>;
  try {
    parsed = parseJson(decodeURIComponent(text));
  } catch {
    return undefined;
  }
  if (!("value" in parsed) || !isObject(parsed.value) || parsed.value.method !== method) return undefined;
  const { request = {}, spec, deadline, metadata } = parsed.value;
  return {
    request,
    spec: typeof spec === "string" ? spec : "",
    deadline: typeof deadline === "string" ? deadline : "",
    metadata: isObject(metadata)
      ? Object.entries(metadata).map(([name, value]) => ({ name, value: String(value) }))
      : [],
  };
}
