import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { PROTOCOLS } from "./request.ts";

/** Marks the processes of a build, so that the next registry finds those that its predecessor left. */
export const BUILD_VARIABLE = "ROUSE_BUILD";

/** Folders of one build; all are below `root`. */
export interface Scratch {
  readonly root: string;
  readonly home: string;
  readonly tmp: string;
  readonly checkout: string;
  /** What the build made, out of reach of its tests. */
  readonly made: string;
}

export function scratchOf(root: string): Scratch {
  const [home, tmp, checkout, made] = ["home", "tmp", "checkout", "made"].map((name) => join(root, name));
  return { root, home: home ?? "", tmp: tmp ?? "", checkout: checkout ?? "", made: made ?? "" };
}

/** Makes the folders, empty. */
export async function makeScratch({ root, home, tmp, checkout, made }: Scratch): Promise<void> {
  for (const folder of [root, home, tmp, checkout, made]) await mkdir(folder, { recursive: true });
}

/** The environment of all programs of a build: nothing of the registry's own but the way to the programs. */
export function buildEnvironment(id: string, scratch: Scratch): Record<string, string> {
  return {
    PATH: `${dirname(process.execPath)}:${process.env.PATH ?? "/usr/bin:/bin"}`,
    HOME: scratch.home,
    TMPDIR: scratch.tmp,
    LANG: "C.UTF-8",
    LC_ALL: "C.UTF-8",
    CI: "1",
    NO_COLOR: "1",
    [BUILD_VARIABLE]: id,
  };
}

/** In addition for programs that reach out, which run none of the repository's code: the way through a proxy. */
export function networkEnvironment(): Record<string, string> {
  const names =
    /^(https?_proxy|no_proxy|all_proxy|npm_config_registry|ssl_cert_(file|dir)|node_extra_ca_certs)$/i;
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      names.test(name) && value !== undefined ? [[name, value]] : [],
    ),
  );
}

/** In addition for git: it asks nobody anything, and reads no configuration but ours. */
export function gitEnvironment(): Record<string, string> {
  return {
    GIT_TERMINAL_PROMPT: "0",
    GIT_ASKPASS: "false",
    SSH_ASKPASS: "false",
    SSH_ASKPASS_REQUIRE: "never",
    GCM_INTERACTIVE: "never",
    GIT_SSH_COMMAND: "ssh -oBatchMode=yes -oStrictHostKeyChecking=yes -oConnectTimeout=20",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    // A local repository could name a program that brings what it lacks.
    GIT_NO_LAZY_FETCH: "1",
    GIT_ALLOW_PROTOCOL: PROTOCOLS.join(":"),
    GIT_LFS_SKIP_SMUDGE: "1",
  };
}
