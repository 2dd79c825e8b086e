import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { type BufResult, runBuf } from "../../codegen/buf.ts";
import { RouseError } from "../../sdk/errors.ts";
import { type ContractSubset, contractSubset } from "./contract-subset.ts";
import type { Difference } from "./findings.ts";

/** A contract as it is stored with a version. */
export interface Contract {
  readonly version: string;
  /** google.protobuf.FileDescriptorSet. */
  readonly descriptorSet: Uint8Array;
}

/** Longest time of one comparison, ms; it takes about 100. */
const LIMIT_MS = 20_000;
/** Each comparison is a process; so many run at once, and the others wait. */
const MOST_AT_ONCE = 2;

/**
 * What breaks calls by gRPC or JSON (https://buf.build/docs/breaking/rules). Idempotency is looked at in compare-manifests.ts: here a
 * gain would break, too.
 */
const CONFIG = JSON.stringify({
  version: "v2",
  breaking: {
    use: ["WIRE_JSON", "RPC_NO_DELETE", "FIELD_NO_DELETE", "ENUM_VALUE_NO_DELETE"],
    except: ["RPC_SAME_IDEMPOTENCY_LEVEL"],
  },
});

/** Of a field or value that is gone: callers miss it, but where its number is reserved none takes it for another. */
const GONE = new Set(["FIELD_NO_DELETE", "ENUM_VALUE_NO_DELETE"]);

/** Answers that are kept, by the digests of what was compared: a change of a tag may be tried several times. */
const MOST_KEPT = 128;
const kept = new Map<string, Promise<Difference[]>>();

let running = 0;
const waiting: (() => void)[] = [];

/**
 * What `buf breaking` finds between two contracts of one service, in what its callers can see of them.
 *
 * @throws RouseError INTERNAL COMPARISON_FAILED when buf cannot compare them: that is never taken for "nothing breaks".
 *   DEADLINE_EXCEEDED BUF_TIMEOUT after 20 s.
 */
export async function compareContracts(
  service: string,
  candidate: Contract,
  against: Contract,
): Promise<Difference[]> {
  const [after, before] = [candidate, against].map(({ descriptorSet }) =>
    contractSubset(descriptorSet, service),
  );
  if (after === undefined || before === undefined || Buffer.compare(after.bytes, before.bytes) === 0)
    return [];
  const key = [service, candidate.version, against.version, digest(after.bytes), digest(before.bytes)].join(
    " ",
  );
  const known = kept.get(key);
  if (known !== undefined) return known;
  const what = `The contracts of ${service} ${candidate.version} and ${against.version} cannot be compared`;
  const answer = compareSubsets(service, after, before, what);
  kept.set(key, answer);
  // The oldest comes first. What failed may succeed the next time.
  for (const old of kept.keys()) if (kept.size > MOST_KEPT) kept.delete(old);
  answer.catch(() => kept.delete(key));
  return answer;
}

async function compareSubsets(
  service: string,
  after: ContractSubset,
  before: ContractSubset,
  what: string,
): Promise<Difference[]> {
  if (running >= MOST_AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
  running++;
  try {
    const { code, stdout, stderr } = await breaking(after, before);
    // buf ends with 100 when it found something.
    if (code === 0 || code === 100) return differencesOf(service, stdout, before, what);
    throw failed(what, stderr);
  } finally {
    running--;
    waiting.shift()?.();
  }
}

function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

async function breaking(after: ContractSubset, before: ContractSubset): Promise<BufResult> {
  const folder = await mkdtemp(join(tmpdir(), "rouse-gate-"));
  try {
    await writeFile(join(folder, "after.binpb"), after.bytes);
    await writeFile(join(folder, "before.binpb"), before.bytes);
    const args = ["breaking", "after.binpb", "--against", "before.binpb"];
    return await runBuf([...args, "--error-format", "json", "--config", CONFIG], folder, {
      limitMs: LIMIT_MS,
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const annotationSchema = z.object({ type: z.string().min(1), message: z.string().min(1) });

function differencesOf(service: string, stdout: string, before: ContractSubset, what: string): Difference[] {
  const found = stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      try {
        return annotationSchema.parse(JSON.parse(line));
      } catch {
        throw failed(what, line);
      }
    });
  // The same field may be gone by three rules: the gravest stays.
  const grave = found.filter(({ type }) => !GONE.has(type));
  const told = new Set(grave.map(({ message }) => subjectOf(message)));
  const seen = new Set<string>();
  return [...grave, ...found.filter(({ type, message }) => GONE.has(type) && !told.has(subjectOf(message)))]
    .filter(({ type, message }) => {
      const key = type.includes("_NO_DELETE_UNLESS_") ? subjectOf(message) : `${type} ${message}`;
      return !seen.has(key) && seen.add(key);
    })
    .map(({ type, message }) => ({
      severity: GONE.has(type) ? ("note" as const) : ("breaking" as const),
      rule: type,
      ...wording(service, type, message, before),
    }));
}

/** What a message of a deletion is about, without the reason why that matters. */
function subjectOf(message: string): string {
  return message.replace(/ was deleted\b.*$/s, "");
}

function wording(
  service: string,
  rule: string,
  message: string,
  before: ContractSubset,
): Pick<Difference, "message" | "methods"> {
  const method = /\bRPC "(\w+)"/.exec(message)?.[1];
  if (method !== undefined) {
    const name = `${service.slice(service.lastIndexOf(".") + 1)}.${method}`;
    const text = rule === "RPC_NO_DELETE" ? `removes \`${name}\`` : sentence(message);
    return { message: text, methods: [method] };
  }
  const type = /\b(?:message|enum) "([\w.]+)"/.exec(message)?.[1];
  return { message: sentence(message), methods: type === undefined ? [] : methodsThatReach(type, before) };
}

/** buf names a type without its package. */
function methodsThatReach(type: string, { methodsOf }: ContractSubset): string[] {
  const methods = new Set<string>();
  for (const [name, users] of methodsOf) {
    if (name === type || name.endsWith(`.${type}`)) for (const user of users) methods.add(user);
  }
  return [...methods];
}

function sentence(message: string): string {
  return message
    .trim()
    .replace(/\. See https:.*$/s, "")
    .replace(/\.$/, "")
    .replace(/field "(\d+)" with name "(\w+)" on message "([\w.]+)"/i, "field `$3.$2` ($1)")
    .replace(/enum value "(-?\d+)" on enum "([\w.]+)"/i, "value $1 of enum `$2`")
    .replace(/(without reserving) the (name|number) "[^"]*"/, "$1 its $2")
    .replace(/^Previously present (.*) was deleted( without .*)?$/s, "removes $1$2")
    .replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase());
}

function failed(what: string, said: string): RouseError {
  return new RouseError(
    "INTERNAL",
    `${what}: ${said.trim().slice(0, 500) || "buf gave no reason"}. Nothing was changed; try again, and report it if it stays.`,
    { reason: "COMPARISON_FAILED" },
  );
}
