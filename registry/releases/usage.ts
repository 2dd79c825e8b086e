import { type Finding, Finding_Severity } from "#proto/rouse/registry/v1/releases.ts";
import type { Difference } from "./findings.ts";

/** Calls of each method of a service since a time (ms since 1970), and by how many callers. */
export type UsageSource = (
  service: string,
  sinceMs: number,
) => Promise<ReadonlyMap<string, { readonly calls: number; readonly callers: number }>>;

export type Usage = Awaited<ReturnType<UsageSource>>;

/** How far back callers are looked for, ms. */
export const USAGE_WINDOW_MS = 7 * 86_400_000;
const WINDOW = "in the last 7 days";
/** So many methods are named one by one. */
const NAMED = 3;

/**
 * Tells of each difference who would notice it: the breaking ones first, and what is called most before the others.
 *
 * @param usage - undefined when nobody counts calls: then nothing is said of them.
 */
export function joinUsage(
  service: string,
  differences: readonly Difference[],
  usage: Usage | undefined,
): Finding[] {
  const findings = differences.map(({ severity, rule, message, methods }) => {
    const used = methods.map((name) => usage?.get(name) ?? { calls: 0, callers: 0 });
    const calls = used.reduce((sum, one) => sum + one.calls, 0);
    // One caller may use several methods.
    const callers = Math.max(0, ...used.map((one) => one.callers));
    return {
      severity: severity === "breaking" ? Finding_Severity.BREAKING : Finding_Severity.NOTE,
      rule,
      message: [message, ...clauses(service, message, methods, usage && { calls, callers })].join(", "),
      method: methods.length === 1 ? (methods[0] ?? "") : "",
      calls,
      callers,
    };
  });
  const gravity = ({ severity }: Finding) => (severity === Finding_Severity.BREAKING ? 0 : 1);
  // buf tells them by file and rule.
  const removal = ({ rule }: Finding) => (rule === "RPC_NO_DELETE" ? 0 : 1);
  return findings.sort((a, b) => gravity(a) - gravity(b) || b.calls - a.calls || removal(a) - removal(b));
}

function clauses(
  service: string,
  message: string,
  methods: readonly string[],
  used: { readonly calls: number; readonly callers: number } | undefined,
): string[] {
  if (methods.length === 0) return [];
  const scope = service.slice(service.lastIndexOf(".") + 1);
  const names = methods.map((name) => `\`${scope}.${name}\``);
  const list = names.length > NAMED ? `${names.length} methods` : names.join(" and ");
  const said = names.length === 1 && message.includes(names[0] ?? "");
  const by = methods.length === 1 ? "" : "at least ";
  const called =
    used === undefined
      ? []
      : used.calls === 0
        ? [`not called ${WINDOW}`]
        : [`called ${plural(used.calls, "time")} by ${by}${plural(used.callers, "client")} ${WINDOW}`];
  return [...(said ? [] : [`which ${list} ${methods.length === 1 ? "uses" : "use"}`]), ...called];
}

function plural(count: number, noun: string): string {
  return `${count.toLocaleString("en-US")} ${noun}${count === 1 ? "" : "s"}`;
}
