import type { TuningSettings } from "#proto/rouse/registry/v1/tuning.ts";
import type { Policy } from "../../orchestrator/scaling/policy.ts";
import { ideal, type Outcome, simulate } from "../../orchestrator/scaling/simulate.ts";
import { contradiction, type Effective } from "../../registry/tuning/merge.ts";
import { contractName, said, TUNING_FIELDS } from "../../registry/tuning/record.ts";
import { RouseError } from "../../sdk/errors.ts";
import { table } from "../table.ts";
import type { LoadRecording } from "./recording.ts";

/**
 * Lines that say how the settings that hold would have done on recorded load, and how others would have.
 *
 * @param startMs From the wish for an instance until it serves.
 * @throws RouseError INVALID_ARGUMENT TUNING_INVALID when the other settings contradict themselves.
 */
export function compareLines(
  recording: LoadRecording,
  now: TuningSettings,
  changes: TuningSettings,
  startMs: number,
): string[] {
  const { samples, service, version } = recording;
  const before = full(now);
  const next = full({ ...now, ...changes });
  const fault = contradiction(next);
  if (fault !== undefined)
    throw new RouseError("INVALID_ARGUMENT", `This cannot be tried: ${fault}. Set both.`, {
      reason: "TUNING_INVALID",
    });
  const first = samples[0];
  const last = samples.at(-1);
  if (first === undefined || last === undefined)
    return [
      `Nothing is recorded of ${service} ${version}: it had no load since the orchestrator leads. Call it, or name a recording by --from.`,
    ];
  const run = (settings: Effective) =>
    simulate(samples, { policy: policyOf(settings), idleTimeoutMs: settings.idleTimeoutMs, startMs });
  const seconds = Math.round((last.atMs + last.spanMs - first.atMs) / 1_000);
  const most = Math.max(...samples.map((sample) => sample.most));
  const same = TUNING_FIELDS.every((field) => before[field] === next[field]);
  const columns: [string, Outcome][] = [["NOW", run(before)]];
  if (!same) columns.push(["THEN", run(next)]);
  const ideals = ideal(samples, policyOf(next));
  return [
    `${service} ${version}: ${seconds} s of recorded load, ${most} in progress at most; a start takes ${startMs} ms`,
    ...(same
      ? []
      : TUNING_FIELDS.filter((field) => before[field] !== next[field]).map(
          (field) => `  ${contractName(field)}: ${said(field, before[field])} → ${said(field, next[field])}`,
        )),
    "",
    ...table(
      ["", ...columns.map(([name]) => name), "IDEAL"],
      outcomeRows(
        columns.map(([, one]) => one),
        ideals,
      ),
    ),
  ];
}

function outcomeRows(outcomes: readonly Outcome[], ideals: Outcome): string[][] {
  const row = (what: string, of: (outcome: Outcome) => number) => [
    what,
    ...outcomes.map((outcome) => String(of(outcome))),
    String(of(ideals)),
  ];
  return [
    row("instance-seconds", ({ instanceSeconds }) => instanceSeconds),
    row("most instances", ({ most }) => most),
    row("starts", ({ starts }) => starts),
    row("call-seconds over target", ({ overTarget }) => overTarget),
    row("seconds short of capacity", ({ shortSeconds }) => shortSeconds),
    row("seconds without any instance", ({ coldSeconds }) => coldSeconds),
  ];
}

function full(settings: TuningSettings): Effective {
  return Object.fromEntries(TUNING_FIELDS.map((field) => [field, settings[field] ?? 0])) as Effective;
}

function policyOf(settings: Effective): Policy {
  const { idleTimeoutMs: _, workers: __, pinCores: ___, ...policy } = settings;
  return policy;
}
