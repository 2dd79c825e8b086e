import { createReadStream } from "node:fs";
import { chmod, chown, mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Build_State } from "#proto/rouse/registry/v1/builds.ts";
import { RouseError } from "../../sdk/errors.ts";
import { mayChange } from "../access.ts";
import type { RegistryContext } from "../context.ts";
import { parseManifest } from "../manifest.ts";
import { register } from "../register.ts";
import type { BuildLog } from "./build-log.ts";
import { checkKey } from "./check-key.ts";
import { makeScratch, type Scratch, scratchOf } from "./environment.ts";
import { BuildStopped, buildFailed } from "./failure.ts";
import { diskUse } from "./folder-walk.ts";
import type { BuildLimits } from "./limits.ts";
import { removeFolder } from "./remove-folder.ts";
import type { Runner } from "./runner.ts";
import { ownFolder } from "./scratch-folder.ts";
import { BUILD_STEPS, type BuildStep } from "./step-names.ts";
import { type Made, runSteps } from "./steps.ts";
import type { BuildChange, BuildRecord } from "./store.ts";

export interface RunBuildOptions {
  readonly context: RegistryContext;
  readonly build: BuildRecord;
  readonly runner: Runner;
  readonly limits: BuildLimits;
  readonly log: BuildLog;
  /** Aborted with a {@link BuildStopped} to end the build. */
  readonly signal: AbortSignal;
  readonly change: (change: BuildChange) => void;
}

/** Shortest time between two looks at the disk, ms. */
const LOOK_MS = 500;

/** Runs a build to its end, whatever that is; never throws. Its scratch folder is gone afterwards. */
export async function runBuild(options: RunBuildOptions): Promise<void> {
  const { build, log, limits, change } = options;
  let step: BuildStep = BUILD_STEPS.clone;
  const begin = (next: BuildStep) => {
    log.endStep(step);
    step = next;
    change({ step: next });
  };
  const say = (lines: readonly string[]) => log.write(step, lines);
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(buildFailed(tooLong(limits.timeMs, step))), limits.timeMs);
  const signal = AbortSignal.any([options.signal, limit.signal]);
  const { folder } = options.runner.sandbox;
  await ownFolder(folder);
  const scratch = scratchOf(await mkdtemp(join(folder, `${build.id}-`)));
  const watched = new AbortController();
  const watching = watchDisk(scratch, limits, watched.signal, limit);
  let outcome: BuildChange;
  try {
    say([options.runner.sandbox.words, ...options.runner.unlimited.map((what) => `not limited: ${what}`)]);
    await checkKey(options.context.consul, build.caller);
    await prepare(options, scratch);
    let commit = "";
    const cloned = (found: string) => {
      commit = found;
      change({ commit });
    };
    const made = await runSteps({ ...options, scratch, signal, begin, say, cloned });
    begin(BUILD_STEPS.register);
    outcome = await registerMade(options, made, commit, signal, (line) => say([line]));
  } catch (thrown) {
    outcome = outcomeOf(signal.aborted ? signal.reason : thrown, options);
    say([outcome.reason ?? ""]);
  } finally {
    clearTimeout(timer);
    watched.abort();
    await watching;
  }
  log.endStep(step);
  await removeFolder(scratch.root).catch((err: unknown) =>
    options.context.log.warn({ err, build: build.id }, "The scratch folder of a build is left over"),
  );
  change({ ...outcome, endedAtMs: Date.now() });
}

async function prepare({ runner }: RunBuildOptions, scratch: Scratch): Promise<void> {
  await makeScratch(scratch);
  const { uid } = runner.sandbox;
  if (uid === undefined) return;
  for (const folder of [scratch.home, scratch.tmp]) await chown(folder, uid, uid);
  // mkdtemp lets nobody else in.
  await chmod(scratch.root, 0o711);
}

async function registerMade(
  { context, build }: RunBuildOptions,
  { manifest, bundleFile, digest }: Made,
  commit: string,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<BuildChange> {
  await checkKey(context.consul, build.caller);
  await mayChange(context, build.caller, parseManifest(manifest.toString()).service);
  signal.throwIfAborted();
  const { repository, ref, id } = build;
  const request = {
    manifest,
    artifact: { kind: { $case: "bundle" as const, value: digest } },
    tags: [...build.tags],
    env: {},
    mounts: [],
    source: { repository, ref, commit, build: id },
    about: undefined,
  };
  const upload = () => context.bundles.put(createReadStream(bundleFile));
  const { service, version, created } = await register(context, build.caller, request, upload);
  say(`${created ? "registered" : "already registered, unchanged:"} ${service} ${version}`);
  if (build.tags.length > 0) say(`${build.tags.join(", ")} → ${version}`);
  return { state: Build_State.SUCCEEDED, service, version };
}

function outcomeOf(thrown: unknown, { context, build }: RunBuildOptions): BuildChange {
  if (thrown instanceof BuildStopped && thrown.cancelled)
    return { state: Build_State.CANCELLED, reason: thrown.message };
  const error = RouseError.from(thrown instanceof BuildStopped ? buildFailed(thrown.message) : thrown);
  if (thrown instanceof RouseError || thrown instanceof BuildStopped)
    return { state: Build_State.FAILED, reason: error.message };
  context.log.error({ err: thrown, build: build.id }, "A build broke");
  return {
    state: Build_State.FAILED,
    reason: `The registry could not run the build (${error.message}). Its own log has more.`,
  };
}

function tooLong(timeMs: number, step: BuildStep): string {
  const time = timeMs >= 60_000 ? `${Math.round(timeMs / 60_000)} min` : `${timeMs / 1000} s`;
  return `The build was ended in the step "${step}": it had not finished after ${time} (--build-timeout).`;
}

/** Ends the build when its scratch folder grows too large; looks less often the longer a look takes. */
async function watchDisk(
  { root }: Scratch,
  { diskBytes }: BuildLimits,
  until: AbortSignal,
  limit: AbortController,
): Promise<void> {
  while (!until.aborted) {
    const since = performance.now();
    const bytes = await diskUse(root);
    if (bytes > diskBytes) {
      const most = `${Math.round(diskBytes / 2 ** 20)} MiB`;
      limit.abort(
        buildFailed(
          `The build was ended: its files take more than ${most}, clone and dependencies included.`,
        ),
      );
      return;
    }
    const pause = Math.max(LOOK_MS, 5 * (performance.now() - since));
    await sleep(pause, undefined, { signal: until }).catch(() => undefined);
  }
}
