/** Whether a host takes new instances, and if not, why. */
export type HostMode = "active" | "cordoned" | "draining" | "maintenance" | "away";

/** Cores, bytes and whole GPUs. */
export interface Amounts {
  readonly cpu: number;
  readonly memory: number;
  readonly gpu: number;
}

/** What a host is, whatever runs on it. */
export interface HostFacts extends Amounts {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Default: "". */
  readonly zone?: string;
  /** Runtime of its agent; one that is not known runs everything. */
  readonly runtime?: string;
  /** Default: active. */
  readonly mode?: HostMode;
  /** Relative to other hosts: at 2, work is done in half the time. Default 1. */
  readonly speed?: number;
  /** Price of the whole host for an hour, in any unit that is the same for all hosts. Default 0. */
  readonly costPerHour?: number;
  /** How much recent failures are the host's own, 0 to 1. Default 0. */
  readonly blame?: number;
  /** Bundles (by digest) and images (by name) that are there already. */
  readonly prepared?: ReadonlySet<string>;
}

/** A host as placement sees it: what it has, and what runs on it or was promised to starts. */
export interface PlaceableHost extends HostFacts {
  readonly used: Amounts;
  /** What of that jobs have; absent: nothing, or it is not known. */
  readonly jobs?: Amounts | undefined;
  /** Instances that are not on their way out, by "service@version". */
  readonly versions?: ReadonlyMap<string, number>;
  /** The same by service. */
  readonly services?: ReadonlyMap<string, number>;
  /** Services from which something here keeps apart strictly, with the services that do. */
  readonly repels?: ReadonlyMap<string, ReadonlySet<string>>;
}

/** The value of a host's attribute: "host", "zone", "runtime", or a label; "" where it has none. */
export function attribute(host: HostFacts, name: string): string {
  if (name === "host") return host.name;
  if (name === "zone") return host.zone || (host.labels.zone ?? "");
  if (name === "runtime") return host.runtime ?? "";
  return host.labels[name] ?? "";
}

/** Whether a host's attribute is as "name=value" says. */
export function hasLabel(host: HostFacts, label: string): boolean {
  const [name, value] = splitLabel(label);
  return attribute(host, name) === value;
}

export function splitLabel(label: string): readonly [name: string, value: string] {
  const cut = label.indexOf("=");
  return [label.slice(0, cut), label.slice(cut + 1)];
}
