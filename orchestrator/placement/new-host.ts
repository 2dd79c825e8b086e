import { amountWords, roundCores } from "./amounts.ts";
import type { Occupancy } from "./filter.ts";
import { type PlaceableHost, splitLabel } from "./host.ts";
import { type Needs, spreadsOf } from "./needs.ts";

/** No host, zone or label is named like this. */
const NEW = " new";

/**
 * The least host that could be added for an instance: with all that it must have, whichever of that the present hosts lack.
 *
 * @returns it, and "add a host with 8 cores, 1 GiB memory, label disk=ssd"; undefined when one host cannot be all that is asked for.
 */
export function newHost(
  needs: Needs,
  hosts: readonly PlaceableHost[],
  taken: Occupancy,
): { readonly host: PlaceableHost; readonly text: string } | undefined {
  const { rules } = needs;
  const near = (rules?.affinity ?? []).filter(({ strict }) => strict);
  const avoided = (rules?.antiAffinity ?? []).filter(({ strict }) => strict);
  const asked = [
    ...Object.entries(needs.labels),
    ...near.flatMap(({ label }) => (label === undefined ? [] : [splitLabel(label)])),
  ];
  const attributes = new Map(asked);
  if (asked.some(([name, value]) => attributes.get(name) !== value)) return undefined;
  const isNamed = attributes.has("host");
  if (isNamed && hosts.some(({ name }) => name === attributes.get("host"))) return undefined;
  const beside = near.flatMap(({ service }) => (service === undefined ? [] : [service]));
  // The first instance cannot be near another one of itself.
  if (beside.includes(needs.service ?? "")) return undefined;
  if (needs.image === true && !attributes.has("runtime")) attributes.set("runtime", "docker");
  const others = spreadsOf(needs)
    .filter(({ over, strict }) => strict && over !== "host" && !attributes.has(over))
    .map(({ over }) => over);
  for (const over of others) attributes.set(over, NEW);
  const price = priceOf(needs, taken);
  const { host = NEW, zone = "", runtime = "", ...labels } = Object.fromEntries(attributes);
  const said = [
    ...amountWords(needs),
    ...asked.map(([name, value]) => `label ${name}=${value}`),
    ...avoided.flatMap(({ label }) => (label === undefined ? [] : [`no label ${label}`])),
    ...(needs.image === true ? ["runtime docker"] : []),
    ...(price === undefined ? [] : [price === 0 ? "no cost" : `at most ${price} of cost per hour`]),
  ];
  const another = others.length === 0 ? "" : ` of another ${others.join(" and another ")}`;
  const started = beside.map((service) => ` and start ${service} there`).join("");
  return {
    host: {
      ...{ name: host, zone, runtime, labels },
      cpu: Math.max(roundCores(needs.cpu, true), 0.01),
      memory: Math.max(needs.memory, 1),
      gpu: needs.gpu,
      used: { cpu: 0, memory: 0, gpu: 0 },
      services: new Map(beside.map((service) => [service, 1])),
      ...(price === undefined ? {} : { costPerHour: price }),
    },
    text: `add a host${another} with ${[...new Set(said)].join(", ")}${started}`,
  };
}

/** What a host may cost that the instance fills: what the contract leaves. */
function priceOf({ rules }: Needs, { costPerHour }: Occupancy): number | undefined {
  if (rules?.maxCostPerHour === undefined) return undefined;
  return Math.floor(Math.max(0, rules.maxCostPerHour - costPerHour) * 1_000) / 1_000;
}
