import { type Command, InvalidArgumentError } from "commander";
import {
  type TunedVersion,
  type TuningSettings,
  TuningSource_Kind,
} from "#proto/rouse/registry/v1/tuning.ts";
import { parseDuration } from "../../codegen/plugin/duration.ts";
import { contractName, said, TUNING_FIELDS, type TuningField } from "../../registry/tuning/record.ts";
import { RouseError } from "../../sdk/errors.ts";
import { parseCount } from "../flags.ts";
import { table } from "../table.ts";

/** The flag of each setting, how its value is read, and what it is. */
const FLAGS: Readonly<Record<TuningField, { flag: string; read: (text: string) => number; about: string }>> =
  {
    targetConcurrency: {
      flag: "--target-concurrency <calls>",
      read: parseCount,
      about: "calls and streams in progress that one instance should have",
    },
    minInstances: {
      flag: "--min <instances>",
      read: parseWhole,
      about: "instances that are kept when nobody calls",
    },
    maxInstances: { flag: "--max <instances>", read: parseCount, about: "most instances" },
    highWatermark: {
      flag: "--high-watermark <share>",
      read: parseShare,
      about: "above it, instances are added",
    },
    lowWatermark: {
      flag: "--low-watermark <share>",
      read: parseShare,
      about: "below it, instances are taken away",
    },
    stableWindowMs: {
      flag: "--stable-window <time>",
      read: parseTime,
      about: "whose mean load counts when it is quiet",
    },
    panicWindowMs: {
      flag: "--panic-window <time>",
      read: parseTime,
      about: "whose mean load counts when it rises",
    },
    scaleDownDelayMs: {
      flag: "--scale-down-delay <time>",
      read: parseTime,
      about: "so long fewer must have been enough",
    },
    idleTimeoutMs: {
      flag: "--idle-timeout <time>",
      read: (text) => (text === "never" ? 0 : parseTime(text)),
      about: 'silence before the last one goes; "never" keeps it',
    },
    pinCores: {
      flag: "--pin-cores <on|off>",
      read: parseSwitch,
      about: "whether an instance stays on cores of its own choice; those that run are replaced",
    },
    workers: {
      flag: "--workers <count>",
      read: parseCount,
      about: "processes or threads inside an instance, as the contract says; those that run are replaced",
    },
  };

/** Adds a flag for each setting. */
export function addSettings(command: Command): Command {
  for (const field of TUNING_FIELDS) {
    const { flag, read, about } = FLAGS[field];
    command.option(flag, about, read);
  }
  return command;
}

/** What the flags of a command line set. */
export function settingsOf(flags: Readonly<Record<string, unknown>>): TuningSettings {
  const settings: TuningSettings = {};
  for (const field of TUNING_FIELDS) {
    const value = flags[attribute(FLAGS[field].flag)];
    if (typeof value === "number") settings[field] = value;
  }
  return settings;
}

/** @throws RouseError INVALID_ARGUMENT FLAG_INVALID for flags that would be left out of account. */
export function checkTogether(flags: Readonly<Record<string, unknown>>): void {
  const refuse = (message: string) => {
    throw new RouseError("INVALID_ARGUMENT", message, { reason: "FLAG_INVALID" });
  };
  const only = (["from", "start"] as const).find((name) => flags[name] !== undefined);
  if (flags.simulate !== true && only !== undefined)
    refuse(`--${only} is for a simulation: add --simulate, or leave it out.`);
  if (flags.simulate === true && flags.reset !== undefined)
    refuse(
      "--simulate changes nothing, so there is nothing to reset: name the values to try, such as --max 4.",
    );
  if (flags.export !== undefined && (flags.simulate === true || Object.keys(settingsOf(flags)).length > 0))
    refuse("--export only writes what was recorded: give the other flags in a command of their own.");
}

/** Name of a flag as `--reset` takes it: "target-concurrency" is target_concurrency, "min" min_instances. */
export function fieldNamed(name: string): string {
  const found = TUNING_FIELDS.find((field) => FLAGS[field].flag.startsWith(`--${name} `));
  return found === undefined ? name : contractName(found);
}

/** Lines that say what holds of a version, and where from. */
export function tunedLines({ version, settings, sources }: TunedVersion): string[] {
  const rows = TUNING_FIELDS.map((field) => {
    const name = contractName(field);
    const source = sources.find((one) => one.field === name);
    return [`  ${name}`, said(field, settings?.[field] ?? 0), source === undefined ? "" : origin(source)];
  });
  return [version, ...table(["  SETTING", "VALUE", "FROM"], rows)];
}

function origin({ kind, by, atMs }: TunedVersion["sources"][number]): string {
  if (kind === TuningSource_Kind.DEFAULT) return "default";
  if (kind === TuningSource_Kind.CONTRACT) return "contract";
  const all = kind === TuningSource_Kind.SERVICE ? " for all versions" : "";
  return `tuned by ${by}${all} at ${new Date(atMs).toISOString().replace(/\.\d+Z/, "Z")}`;
}

function attribute(flag: string): string {
  const name = flag.slice(2, flag.indexOf(" "));
  return name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function parseSwitch(text: string): number {
  if (text === "on" || text === "off") return text === "on" ? 1 : 0;
  throw new InvalidArgumentError(`"${text}" is neither on nor off.`);
}

function parseWhole(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`"${text}" is no count: give a whole number from 0.`);
}

function parseShare(text: string): number {
  const share = Number(text);
  if (text !== "" && share >= 0 && share <= 1) return share;
  throw new InvalidArgumentError(`"${text}" is no share: give a number from 0 to 1, such as 0.8.`);
}

function parseTime(text: string): number {
  const ms = text === "0" ? 0 : parseDuration(text);
  if (ms !== undefined && Number.isInteger(ms)) return ms;
  throw new InvalidArgumentError(
    `"${text}" is no length of time: give a number and ms, s, m or h, such as 30s.`,
  );
}
