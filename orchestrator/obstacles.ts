import { barredError } from "../registry/approval.ts";
import type { Activation, VersionState } from "../registry/state.ts";
import { age } from "../sdk/age.ts";
import { mostInstances } from "./plan.ts";

/** What else is to be known of a version. */
export interface Standing {
  /** Instances that stay and take calls, and those that start. */
  readonly count: number;
  /** Before when no further instance is started as a start failed, ms since 1970; 0: at once. */
  readonly startAgainMs: number;
}

/**
 * What keeps a version from getting one more instance now, whatever hosts there are, each in a sentence that says what to do. Pure.
 */
export function obstacles(state: VersionState, standing: Standing, nowMs: number): string[] {
  const { service, version } = state.manifest;
  const { stopped, failure } = state.activation;
  return [
    ...(stopped === undefined
      ? []
      : [
          `It was stopped ${age(nowMs - stopped.atMs)} ago: ${stopped.reason}. "rouse start ${service} ${version}" lets it run again.`,
        ]),
    ...(state.barred === true ? [barredError(service, version, state.approval).message] : []),
    ...(failure === undefined || stopped !== undefined ? [] : [failed(service, version, failure, nowMs)]),
    ...(failure === undefined && nowMs < standing.startAgainMs
      ? [`The last start failed: the next is tried in ${age(standing.startAgainMs - nowMs)}.`]
      : []),
    ...atMaximum(state, standing.count),
  ];
}

function failed(
  service: string,
  version: string,
  { message, retryAtMs, crashes, final }: NonNullable<Activation["failure"]>,
  nowMs: number,
): string {
  const start = `"rouse start ${service} ${version}"`;
  const when =
    final === true
      ? `It waits for ${start}`
      : `It is tried again with the next call after ${age(retryAtMs - nowMs)}, or by ${start}`;
  const what = crashes === undefined ? `Its start failed: ${message}` : sentence(message);
  return `${what}.\n${when}; "rouse logs ${service} --version ${version}" shows what it wrote.`;
}

function sentence(clause: string): string {
  return clause.charAt(0).toUpperCase() + clause.slice(1);
}

function atMaximum({ manifest }: VersionState, count: number): string[] {
  const most = mostInstances(manifest);
  if (count < most) return [];
  const { service, version } = manifest;
  return [
    `It has as many instances as it may: ${count} of ${most}. "rouse tune ${service} ${version} --max ${count + 1}" allows one more.`,
  ];
}
