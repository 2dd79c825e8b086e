import { type Command, InvalidArgumentError } from "commander";
import { MeshConfigClient } from "#proto/rouse/meshconfig/v1/meshconfig.ts";
import { type TunedVersion, TuningClient, type TuningSettings } from "#proto/rouse/registry/v1/tuning.ts";
import { parseDuration } from "../../codegen/plugin/duration.ts";
import { BY_REPLACEMENT, contractName } from "../../registry/tuning/record.ts";
import { RouseError } from "../../sdk/errors.ts";
import { unary } from "../../sdk/grpc.ts";
import { readMesh, withClient } from "../connect.ts";
import { REGISTRY_FLAG } from "../releases/print.ts";
import { compareLines } from "../tune/compare.ts";
import { fetchNeed, fetchRecording, readRecording, writeRecording } from "../tune/recording.ts";
import { addSettings, checkTogether, fieldNamed, settingsOf, tunedLines } from "../tune/settings.ts";

interface Flags {
  readonly reset?: true | readonly string[];
  readonly simulate?: true;
  readonly from?: string;
  readonly start?: number;
  readonly export?: string;
  readonly json?: true;
  readonly registry?: string;
}

/** `rouse tune`: settings of versions while they run. */
export function addTune(program: Command): void {
  const command = program
    .command("tune")
    .description("show, change or try scaling settings of versions while they run")
    .argument("<service>", "full name, such as genome.v1.GenomeService")
    .argument("[version]", "exact version; without it, all versions, those to come included");
  addSettings(command)
    .option("--reset [settings...]", "take back what was tuned: these, such as max, or everything")
    .option("--simulate", "change nothing: say how it would have done on the recorded load")
    .option("--from <file>", "simulate on this recording instead")
    .option(
      "--start <time>",
      "how long a start takes in the simulation; default: as the latest wakes",
      parseStart,
    )
    .option("--export <file>", "write the recorded load of the version")
    .option("--json", "print JSON")
    .option(...REGISTRY_FLAG)
    .action(async (service: string, version: string | undefined, flags: Flags & Record<string, unknown>) => {
      checkTogether(flags);
      const settings = settingsOf(flags);
      if (flags.export !== undefined) return exportLoad(service, needed(version, "--export"), flags.export);
      if (flags.simulate === true) return tryOut(service, version, settings, flags);
      const changing = Object.keys(settings).length > 0 || flags.reset !== undefined;
      if (changing) await change(service, version, settings, flags);
      else await show(service, version, flags);
    });
}

async function show(service: string, version: string | undefined, flags: Flags): Promise<void> {
  const versions = await tunedVersions(service, version, flags);
  if (flags.json === true) return console.log(JSON.stringify(versions, null, 2));
  const blocks = await Promise.all(
    versions.map(async (one) => [...tunedLines(one), ...(await needLines(service, one.version))].join("\n")),
  );
  console.log(blocks.join("\n\n"));
}

/** What the load needs now; nothing of a version without any, or where no mesh of this host answers. */
async function needLines(service: string, version: string): Promise<string[]> {
  try {
    const { wanted, reason } = await fetchNeed(readMesh().control, service, version);
    return wanted === 0 ? [] : [`  instances wanted now: ${wanted} (${reason})`];
  } catch (error) {
    if (error instanceof RouseError) return [];
    throw error;
  }
}

function tunedVersions(service: string, version: string | undefined, flags: Flags): Promise<TunedVersion[]> {
  return withClient(TuningClient, flags.registry ?? readMesh().registry, async (client) => {
    return (await unary(client, "getTuning", { service, version: version ?? "" })).versions;
  });
}

async function change(
  service: string,
  version: string | undefined,
  settings: TuningSettings,
  flags: Flags,
): Promise<void> {
  const resetAll = flags.reset === true;
  const reset = Array.isArray(flags.reset) ? flags.reset.map(fieldNamed) : [];
  const request = { service, version: version ?? "", settings, reset, resetAll };
  const { changes, versions } = await withClient(
    TuningClient,
    flags.registry ?? readMesh().registry,
    (client) => unary(client, "setTuning", request),
  );
  if (flags.json === true) return console.log(JSON.stringify({ changes, versions }, null, 2));
  const what = `${service}${version === undefined ? ", all versions" : ` ${version}`}`;
  if (changes.length === 0) return console.log(`${what}: everything is so already`);
  for (const line of changes) console.log(`${what}: ${line}`);
  const replaced = [...BY_REPLACEMENT]
    .map(contractName)
    .filter((name) => changes.some((line) => line.startsWith(`${name} `)));
  if (replaced.length < changes.length) console.log("It holds from now on; no instance is restarted for it.");
  if (replaced.length > 0)
    console.log(
      `${replaced.join(", ")}: instances that run are replaced one after the other, as there is room for one more; no call is lost.`,
    );
}

async function exportLoad(service: string, version: string, file: string): Promise<void> {
  const recording = await fetchRecording(readMesh().control, service, version);
  await writeRecording(file, recording);
  console.log(`${recording.samples.length} samples of ${service} ${version} are in ${file}`);
}

async function tryOut(
  service: string,
  version: string | undefined,
  settings: TuningSettings,
  flags: Flags,
): Promise<void> {
  const recording =
    flags.from === undefined
      ? await fetchRecording(readMesh().control, service, needed(version, "--simulate"))
      : await readRecording(flags.from);
  const [now] = await tunedVersions(service, version ?? recording.version, flags);
  const startMs = flags.start ?? (await latestStartMs(service));
  const lines = compareLines(recording, now?.settings ?? {}, settings, startMs);
  for (const line of lines) console.log(line);
}

/** Where no wake is known, a process's start. ms. */
const USUAL_START_MS = 500;

/** How long the latest starts of a service took, the middle one; ms. */
async function latestStartMs(service: string): Promise<number> {
  const { wakes } = await withClient(MeshConfigClient, readMesh().control, (client) =>
    unary(client, "listWakes", { service, limit: 20 }),
  );
  const times = wakes
    .filter(({ readyMs, placedMs }) => readyMs > 0 && placedMs > 0)
    .map(({ readyMs, placedMs }) => Math.round(readyMs - placedMs))
    .sort((a, b) => a - b);
  return times[Math.floor(times.length / 2)] ?? USUAL_START_MS;
}

function needed(version: string | undefined, flag: string): string {
  if (version !== undefined) return version;
  throw new RouseError("INVALID_ARGUMENT", `${flag} needs a version: load is recorded for each.`, {
    reason: "FLAG_INVALID",
  });
}

function parseStart(text: string): number {
  const ms = parseDuration(text);
  if (ms !== undefined) return ms;
  throw new InvalidArgumentError(`"${text}" is no length of time: give a number and ms or s, such as 500ms.`);
}
