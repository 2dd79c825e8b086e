import type { Condition, ListHealthResponse } from "#proto/rouse/orchestrator/v1/health.ts";
import { age } from "../sdk/age.ts";
import { table } from "./table.ts";

/** What is not well, for people; no lines when all is. */
export function healthLines({ instances, faults, hosts }: ListHealthResponse, nowMs: number): string[] {
  const rows = [
    ...hosts.map(({ host, condition }) => ["host", host, ...cells(condition, nowMs)]),
    ...instances.map(({ instanceId, service, version, host, condition }) => [
      "instance",
      instanceId,
      ...cells(condition, nowMs, `${service} ${version} on ${host}: `),
    ]),
    ...faults.map(({ service, version, reason }) => [
      "version",
      `${service} ${version}`,
      "at fault",
      "",
      "",
      reason,
    ]),
  ];
  return rows.length === 0 ? [] : table(["NOT WELL", "", "IS", "UNTIL", "STRIKES", ""], rows);
}

function cells(condition: Condition | undefined, nowMs: number, where = ""): string[] {
  if (condition === undefined) return [];
  const { name, reason, untilMs, strikes } = condition;
  const words = reason === "" ? "was quarantined lately" : reason;
  return [name, until(untilMs, nowMs), String(strikes), `${where}${words}`];
}

function until(atMs: number, nowMs: number): string {
  return atMs === 0 ? "" : `${age(atMs - nowMs)} from now`;
}
