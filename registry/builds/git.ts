import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { RouseError } from "../../sdk/errors.ts";
import { buildFailed } from "./failure.ts";
import type { ProgramEnd } from "./program.ts";
import type { BuildOrder } from "./request.ts";

/** Runs git in the checkout's folder. */
export type Git = (args: readonly string[], quiet?: boolean) => Promise<ProgramEnd>;

/** @throws RouseError FAILED_PRECONDITION GIT_MISSING. @param path to look for it; default: this process's PATH. */
export async function checkGit(path = process.env.PATH): Promise<void> {
  try {
    await promisify(execFile)("git", ["--version"], { env: { PATH: path ?? "" } });
  } catch (cause) {
    throw new RouseError(
      "FAILED_PRECONDITION",
      'The registry\'s host has no git, so it cannot build from a repository. Install it there ("apt-get install git"), and start the build again.',
      { reason: "GIT_MISSING", cause },
    );
  }
}

/**
 * Clones one commit into the working folder: shallow where the server lets, without submodules, hooks or filters.
 *
 * @param say told what is done, in a few words.
 * @returns the commit, hex.
 * @throws RouseError BUILD_FAILED.
 */
export async function clone(git: Git, order: BuildOrder, say: (line: string) => void): Promise<string> {
  await must(git(["init", "--quiet", "--template=", "."]), order);
  const target = await findTarget(git, order);
  if (target.fetch !== undefined) {
    say(`fetches ${target.fetch} of ${order.repository}`);
    const shallow = await git([...fetch, "--depth=1", "--", order.repository, target.fetch]);
    // The dumb HTTP protocol cannot be shallow.
    const whole = shallow.code === 0 ? shallow : await git([...fetch, "--", order.repository, target.fetch]);
    if (whole.code === 0) return checkout(git, order, "FETCH_HEAD");
    if (!target.commit) throw cloneFailed(order, whole);
  }
  say(`fetches all of ${order.repository}: the server does not give single commits`);
  const all = ["+refs/heads/*:refs/remotes/all/*", "+refs/tags/*:refs/tags/*"];
  await must(git([...fetch, "--", order.repository, ...all]), order);
  return checkout(git, order, order.ref);
}

const fetch = [
  "fetch",
  "--quiet",
  "--no-tags",
  "--no-recurse-submodules",
  "--no-auto-gc",
  "--no-write-commit-graph",
];

interface Target {
  /** What to ask the server for; undefined: a commit that only all of the history has. */
  readonly fetch: string | undefined;
  readonly commit: boolean;
}

/** Branches go before tags, as "git clone --branch" has it. */
async function findTarget(git: Git, order: BuildOrder): Promise<Target> {
  const { repository, ref } = order;
  const candidates = ref === "" ? ["HEAD"] : [`refs/heads/${ref}`, `refs/tags/${ref}`, ref];
  const names = await listRefs(git, order, candidates);
  const found = candidates.find((name) => names.includes(name));
  if (found !== undefined) return { fetch: found, commit: false };
  if (ref === "")
    throw buildFailed(
      `${repository} has no default branch; it may be empty. Push a commit, or name a branch by --ref.`,
    );
  if (/^([0-9a-f]{40}|[0-9a-f]{64})$/i.test(ref)) return { fetch: ref.toLowerCase(), commit: true };
  if (/^[0-9a-f]{7,}$/i.test(ref)) return { fetch: undefined, commit: true };
  throw unknownRef(order, await listRefs(git, order, []));
}

/** Full names of the refs that the server has, of these or all (the first of very many). */
async function listRefs(git: Git, order: BuildOrder, patterns: readonly string[]): Promise<string[]> {
  const { stdout } = await must(
    git(["ls-remote", "--quiet", "--", order.repository, ...patterns], true),
    order,
  );
  return stdout.split("\n").flatMap((line) => line.split("\t").slice(1, 2));
}

async function checkout(git: Git, order: BuildOrder, name: string): Promise<string> {
  const parsed = await git(["rev-parse", "--verify", "--quiet", `${name}^{commit}`], true);
  const commit = parsed.stdout.trim();
  if (parsed.code !== 0 || !/^[0-9a-f]{40,64}$/.test(commit)) throw unknownRef(order, []);
  await must(git(["checkout", "--quiet", "--detach", commit]), order);
  return commit;
}

function unknownRef({ repository, ref }: BuildOrder, names: readonly string[]): RouseError {
  const known = names.flatMap((name) => {
    const short = /^refs\/(?:heads|tags)\/(.+?)(?:\^\{\})?$/.exec(name)?.[1];
    return short === undefined ? [] : [short];
  });
  const some = [...new Set(known)].slice(0, 10).join(", ");
  const has = some === "" ? "" : ` It has: ${some}${known.length > 10 ? ", …" : ""}.`;
  return buildFailed(`${repository} has no branch, tag or commit "${ref}".${has}`);
}

async function must(running: Promise<ProgramEnd>, order: BuildOrder): Promise<ProgramEnd> {
  const end = await running;
  if (end.code === 0) return end;
  throw cloneFailed(order, end);
}

const CAUSES: readonly (readonly [RegExp, (repository: string, found: string) => string])[] = [
  [
    /could not read (username|password)|terminal prompts disabled|authentication failed|permission denied \(|host key verification failed|access denied|returned error: 40[13]/i,
    (repository) =>
      `${repository} asks for a password or a key, or does not exist. The registry clones what it can read without asking: make the repository readable, or give the registry's user an ssh key for it.`,
  ],
  [
    /transport '(.*?)' not allowed|'(.*?)' is not supported|remote helper/i,
    (repository) => `${repository} cannot be cloned: git does not know or allow its protocol.`,
  ],
  [
    /dubious ownership/i,
    (repository) =>
      `${repository} belongs to another user of the registry's host, and git reads only what its own user owns. Give the repository's https or ssh URL, or a copy that belongs to the registry's user.`,
  ],
  [
    /could not resolve host(name)?|name or service not known|failed to connect|connection (refused|timed out|reset)|couldn't connect|unable to connect|no route to host|network is unreachable/i,
    (repository) =>
      `The host of ${repository} cannot be reached from the registry. Check the URL and the network.`,
  ],
  [
    /not found|does not appear to be a git repository|does not exist|no such file|not a git repository|access denied or repository not exported/i,
    (repository) => `There is no git repository at ${repository}. Check the URL.`,
  ],
  [
    /no space left|file too large|disk quota/i,
    (repository) => `${repository} is too large to be cloned here: there is no room for it.`,
  ],
];

function cloneFailed({ repository }: BuildOrder, end: ProgramEnd): RouseError {
  const text = end.lastWords.join("\n");
  const known = CAUSES.find(([pattern]) => pattern.test(text));
  if (known !== undefined) return buildFailed(known[1](repository, text));
  const line = end.lastWords.findLast((word) => /^(fatal|error):/.test(word)) ?? end.lastWords.at(-1);
  return buildFailed(
    `git could not clone ${repository}: ${(line ?? `it ended with ${end.code}`).replace(/^(fatal|error): /, "")}`,
  );
}
