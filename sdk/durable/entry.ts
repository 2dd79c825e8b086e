import { type Entry, EntryKind } from "#proto/rouse/orders/v1/durable.ts";
import { RouseError } from "../errors.ts";

export { type Entry, EntryKind } from "#proto/rouse/orders/v1/durable.ts";

/** Most characters of an entry's name. */
const MOST_NAME = 200;
const EMPTY = Buffer.alloc(0);

/** An entry with only what its kind needs. */
export function makeEntry(parts: Pick<Entry, "index" | "kind" | "name"> & Partial<Entry>): Entry {
  return {
    done: false,
    value: EMPTY,
    error: undefined,
    untilMs: 0,
    call: undefined,
    beganAtMs: Date.now(),
    order: 0,
    digest: EMPTY,
    ...parts,
  };
}

const words: Readonly<Record<EntryKind, string>> = {
  [EntryKind.UNSPECIFIED]: "entry",
  [EntryKind.STEP]: "step",
  [EntryKind.RANDOM]: "random",
  [EntryKind.TIME]: "time",
  [EntryKind.SLEEP]: "sleep",
  [EntryKind.CALL]: "call",
  [EntryKind.ANSWER]: "answer",
  [EntryKind.PATCH]: "patch",
  [EntryKind.KEPT]: "kept",
  [EntryKind.KEEP]: "keep",
};

/** What a kind of entries is called; one of a newer Rouse is an "entry". */
export function kindWord(kind: EntryKind): string {
  return words[kind] ?? words[EntryKind.UNSPECIFIED];
}

/** How people are told of an entry: 'step "charge"'. */
export function describeEntry({ kind, name }: Pick<Entry, "kind" | "name">): string {
  const known = kind !== EntryKind.UNSPECIFIED && kind in words;
  const word = known ? words[kind] : "an entry of a kind that this version of Rouse does not know,";
  return name === word ? word : `${word} ${JSON.stringify(name)}`;
}

/** @throws RouseError INVALID_ARGUMENT STEP_NAME_INVALID */
export function checkName(name: string): string {
  const text = typeof name === "string";
  // The journal is in a database whose text has neither NUL nor half of a surrogate pair.
  const kept = text && !name.includes("\0") && name.isWellFormed();
  if (kept && name.length > 0 && name.length <= MOST_NAME) return name;
  const found = !text
    ? `a ${typeof name}`
    : name.length > 0 && name.length <= MOST_NAME
      ? `${JSON.stringify(name)}, which has a NUL or half a character in it`
      : `one with ${name.length} characters`;
  throw new RouseError(
    "INVALID_ARGUMENT",
    `A step of a durable function needs a name of 1 to ${MOST_NAME} characters, and this is ${found}. Name it by what it does, such as "charge".`,
    { reason: "STEP_NAME_INVALID" },
  );
}
