import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { root } from "../../../test/support/rouse.ts";

/** A real git repository in a folder of its own. */
export interface TestRepository {
  readonly dir: string;
  write(files: Readonly<Record<string, string>>): Promise<void>;
  git(...args: string[]): Promise<string>;
  /** Commits all there is. @returns the commit. */
  commit(files?: Readonly<Record<string, string>>): Promise<string>;
  remove(): Promise<void>;
}

const identity = {
  GIT_AUTHOR_NAME: "Test",
  GIT_AUTHOR_EMAIL: "test@example.org",
  GIT_COMMITTER_NAME: "Test",
  GIT_COMMITTER_EMAIL: "test@example.org",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_NOSYSTEM: "1",
};

/** Makes an empty repository with the branch main. */
export async function makeRepository(): Promise<TestRepository> {
  const dir = await mkdtemp(join(tmpdir(), "rouse-test-repository-"));
  const git = async (...args: string[]) => {
    const { stdout } = await promisify(execFile)("git", args, {
      cwd: dir,
      env: { ...process.env, ...identity },
    });
    return stdout.trim();
  };
  const write = async (files: Readonly<Record<string, string>>) => {
    for (const [file, text] of Object.entries(files)) {
      await mkdir(dirname(join(dir, file)), { recursive: true });
      await writeFile(join(dir, file), text);
    }
  };
  await git("init", "--quiet", "--initial-branch=main");
  return {
    dir,
    git,
    write,
    async commit(files = {}) {
      await write(files);
      await git("add", "--all", "--force");
      await git("commit", "--quiet", "--message=Change");
      return git("rev-parse", "HEAD");
    },
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}

const probe = join(root, "test/fixtures/probe");

/** Puts the probe service into a folder of a repository, with a test script. @param test shell words of the script. */
export async function addProbe(
  repository: TestRepository,
  { folder = "", version = "1.0.0", test = "node --version" } = {},
): Promise<void> {
  for (const part of ["proto", "src"])
    await cp(join(probe, part), join(repository.dir, folder, part), { recursive: true });
  const contract = join(repository.dir, folder, "proto/probe/v1/probe.proto");
  const text = await readFile(contract, "utf8");
  await writeFile(contract, text.replace('version: "1.0.0"', `version: "${version}"`));
  await repository.write({ [join(folder, "package.json")]: packageJson({ scripts: { test } }) });
}

/** package.json of the probe. */
export function packageJson(more: object = {}): string {
  const rouse = { service: "probe.v1.ProbeService" };
  return JSON.stringify({ name: "probe", version: "1.0.0", private: true, type: "module", rouse, ...more });
}
