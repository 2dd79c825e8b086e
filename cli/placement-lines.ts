import type { Condition } from "#proto/rouse/orchestrator/v1/health.ts";
import type {
  ExplainPlacementResponse,
  HostVerdict,
  PlacedInstance,
} from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import { age } from "../sdk/age.ts";
import { table } from "./table.ts";

/** What `rouse explain` prints. */
export function placementLines(explained: ExplainPlacementResponse, nowMs = Date.now()): string[] {
  const { service, version, rules, minInstances, maxInstances, instances, leading } = explained;
  const { obstacles, fault } = explained;
  return [
    `${service} ${version}: ${count(instances)}, ${minInstances} to ${maxInstances} by its settings`,
    ...(rules === "" ? [] : [`placement by its contract: ${rules}`]),
    ...(fault === "" ? [] : [`The version is at fault: ${fault}.`]),
    ...obstacles.flatMap((sentence) => sentence.split("\n")),
    ...(instances.length === 0
      ? []
      : ["", ...table(["INSTANCE", "HOST", "WHY THERE"], instances.map(instanceRow))]),
    ...doubtLines(instances, nowMs),
    "",
    ...nextLines(explained),
    ...(leading
      ? []
      : ["", "No orchestrator leads now: starts under way and recent failures are not considered."]),
  ];
}

function count(instances: readonly PlacedInstance[]): string {
  const standby = instances.filter((one) => one.standby).length;
  const running = instances.length - standby;
  const words = running === 0 ? "no instance" : running === 1 ? "1 instance" : `${running} instances`;
  if (standby === 0) return words;
  return running === 0 ? `${standby} on standby` : `${words} and ${standby} on standby`;
}

function instanceRow({ id, host, starting, draining, standby, why }: PlacedInstance): string[] {
  const state = starting ? "starting; " : standby ? "on standby; " : draining ? "takes no new calls; " : "";
  return [id, host, `${state}${why || "not known: it was started by an older Rouse"}`];
}

/** What speaks against instances, a line each. */
function doubtLines(instances: readonly PlacedInstance[], nowMs: number): string[] {
  const lines = instances.flatMap(({ id, condition, ejections }) => [
    ...(condition === undefined ? [] : [`${id} ${conditionWords(condition, nowMs)}`]),
    ...ejections.map(
      ({ host, why, times, sinceMs, untilMs }) =>
        `${id} is left out by the Envoy of host ${host} ${why}, for ${age(nowMs - sinceMs)} now and ${age(untilMs - nowMs)} more at the longest${times > 1 ? `; ${times} times within two minutes` : ""}`,
    ),
  ]);
  return lines.length === 0 ? [] : ["", ...lines];
}

function conditionWords({ name, reason, sinceMs, untilMs, strikes }: Condition, nowMs: number): string {
  const since = `for ${age(nowMs - sinceMs)} now`;
  const until = untilMs === 0 ? "" : ` and ${age(untilMs - nowMs)} more`;
  const times = strikes === 1 ? "once" : `${strikes} times`;
  if (name === "healthy") return `is healthy ${since}, and was quarantined ${times} lately`;
  const how = name === "probation" ? "is on probation" : `is ${name}`;
  return `${how} ${since}${until}${strikes === 0 ? "" : `, quarantined ${times} so far`}: ${reason}`;
}

function nextLines({ hosts, nextHost, changes, obstacles }: ExplainPlacementResponse): string[] {
  if (hosts.length === 0) return ['There is no host: start an agent with "rouse agent" or "rouse up".'];
  const verdict =
    nextHost === ""
      ? [
          "No host fits one more.",
          ...(changes.length === 0 ? [] : [`What would help: ${changes.join(", or ")}.`]),
        ]
      : [
          `${obstacles.length === 0 ? "One" : "But for what is said above, one"} more would go to ${nextHost}.`,
        ];
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
