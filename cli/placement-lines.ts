import type {
  ExplainPlacementResponse,
  HostVerdict,
  PlacedInstance,
} from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import { table } from "./table.ts";

/** What `rouse explain` prints. */
export function placementLines(explained: ExplainPlacementResponse): string[] {
  const { service, version, rules, minInstances, maxInstances, instances, leading } = explained;
  return [
    `${service} ${version}: ${count(instances)}, ${minInstances} to ${maxInstances} by its contract`,
    ...(rules === "" ? [] : [`placement by its contract: ${rules}`]),
    ...(instances.length === 0
      ? []
      : ["", ...table(["INSTANCE", "HOST", "WHY THERE"], instances.map(instanceRow))]),
    "",
    ...nextLines(explained),
    ...(leading
      ? []
      : ["", "No orchestrator leads now: starts under way and recent failures are not considered."]),
  ];
}

function count({ length }: readonly unknown[]): string {
  if (length === 0) return "no instance";
  return length === 1 ? "1 instance" : `${length} instances`;
}

function instanceRow({ id, host, starting, why }: PlacedInstance): string[] {
  return [id, host, `${starting ? "starting; " : ""}${why || "not known: it was started by an older Rouse"}`];
}

function nextLines({ hosts, nextHost, changes }: ExplainPlacementResponse): string[] {
  if (hosts.length === 0) return ['There is no host: start an agent with "rouse agent" or "rouse up".'];
  const verdict =
    nextHost === ""
      ? [
          "No host fits one more.",
          ...(changes.length === 0 ? [] : [`What would help: ${changes.join(", or ")}.`]),
        ]
      : [`One more would go to ${nextHost}.`];
  return [...verdict, "", ...table(["HOST", "SCORE", "WHY"], hosts.map(hostRow))];
}

function hostRow({ host, fits, score, terms, misfits }: HostVerdict): string[] {
  if (!fits) return [host, "", misfits.join("; ")];
  return [
    host,
    decimals(score),
    terms.map(({ name, score: part, why }) => `${name} ${decimals(part)}: ${why}`).join("; "),
  ];
}

function decimals(score: number): string {
  const text = score.toFixed(2);
  return text === "-0.00" ? "0.00" : text;
}
