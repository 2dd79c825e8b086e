import type { Amounts, PlaceableHost } from "./host.ts";
import type { Needs } from "./needs.ts";

/** An instance that is to be placed, and a host for it. */
export interface Asked {
  readonly needs: Needs;
  readonly host: PlaceableHost;
}

/** What would have to change for an instance to fit in one respect. */
export interface Mend {
  /** Imperative: "free 0.25 cores on b". */
  readonly text: string;
  /** How much is asked for with that, to find the smallest; a command is 1, a new machine 100. */
  readonly effort: number;
  /** How things are once it is done. Pure. */
  readonly done: (asked: Asked) => Asked;
}

/** A mend of the host alone. */
export function hostMend(
  text: string,
  effort: number,
  change: (host: PlaceableHost) => Partial<PlaceableHost>,
): Mend {
  return {
    text,
    effort,
    done: ({ needs, host }) => ({ needs, host: { ...copied(host), ...change(host) } }),
  };
}

/** What is in use once some of it was freed. */
export function freed(used: Amounts, amounts: Amounts): Amounts {
  return { cpu: used.cpu - amounts.cpu, memory: used.memory - amounts.memory, gpu: used.gpu - amounts.gpu };
}

/** Who is on a host once a service is not any more. */
export function withoutService(
  { services = new Map(), repels = new Map() }: PlaceableHost,
  service: string,
): Pick<PlaceableHost, "services" | "repels"> {
  const left = [...repels].flatMap(([repelled, by]) => {
    const others = [...by].filter((one) => one !== service);
    return others.length === 0 ? [] : [[repelled, new Set(others)] as const];
  });
  return { services: new Map([...services].filter(([one]) => one !== service)), repels: new Map(left) };
}

/** A host's own values: those of an index are read by getters, which a spread would leave behind. */
export function copied(host: PlaceableHost): PlaceableHost {
  const { name, cpu, memory, gpu, labels, zone, runtime, mode, costPerHour } = host;
  const { used, versions, services, repels } = host;
  return {
    ...{ name, cpu, memory, gpu, labels, used },
    ...(zone === undefined ? {} : { zone }),
    ...(runtime === undefined ? {} : { runtime }),
    ...(mode === undefined ? {} : { mode }),
    ...(costPerHour === undefined ? {} : { costPerHour }),
    ...(versions === undefined ? {} : { versions }),
    ...(services === undefined ? {} : { services }),
    ...(repels === undefined ? {} : { repels }),
  };
}
