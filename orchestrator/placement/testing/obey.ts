import type { HostFacts, PlaceableHost } from "../host.ts";
import type { Needs } from "../needs.ts";

interface Fleet {
  readonly needs: Needs;
  readonly hosts: readonly PlaceableHost[];
}

type Change = (host: PlaceableHost, words: readonly string[]) => PlaceableHost;

const mebi = 2 ** 20;
const NOTHING = { cpu: 0, memory: 0, gpu: 0 };

/** What a person does who reads a clause, to the host that the first word in parentheses names. */
const CLAUSES: readonly (readonly [RegExp, Change])[] = [
  [/^(?:uncordon|bring back) (\S+)$/, (host) => ({ ...host, mode: "active" })],
  [/^give (\S+) the label (\w+)=(\w+)$/, (host, [name = "", value = ""]) => labelled(host, name, value)],
  [/^take the label (\w+)=\w+ from (\S+)$/, (host, [name = ""]) => labelled(host, name, undefined)],
  [/^run the agent of (\S+) with --runtime (\w+)$/, (host, [runtime = ""]) => ({ ...host, runtime })],
  [/^start (\S+) on (\S+)$/, (host, [service = ""]) => started(host, service)],
  [/^move (\S+) off (\S+)$/, (host, [service = ""]) => moved(host, service)],
];

/**
 * The fleet after somebody did what a sentence of `What would help` says, by its words alone.
 *
 * @throws when it says what nobody could do.
 */
export function obey(sentence: string, { needs, hosts }: Fleet): Fleet {
  const freed = /(?:^| and )free ((?:[\d.]+ \w+(?: and )?)+) on (\S+)/.exec(sentence);
  const rest = freed === null ? sentence : sentence.replace(freed[0], "");
  let fleet: Fleet = {
    needs,
    hosts: hosts.map((host) => (host.name === freed?.[2] ? free(host, freed[1]) : host)),
  };
  const added = /^add a host(?: of another (.+?))? with ([^;]+?)((?: and start \S+ there)*)$/.exec(rest);
  if (added !== null) {
    const [, others = "", has = "", starts = ""] = added;
    return { needs, hosts: [...hosts, newHost(others.split(" and another "), has.split(", "), starts)] };
  }
  for (const clause of rest.split(" and ").filter((one) => one !== "")) fleet = obeyClause(clause, fleet);
  return fleet;
}

function obeyClause(clause: string, { needs, hosts }: Fleet): Fleet {
  const raised = /^raise max_cost_per_hour to ([\d.]+)$/.exec(clause);
  if (raised !== null && needs.rules !== undefined)
    return { needs: { ...needs, rules: { ...needs.rules, maxCostPerHour: Number(raised[1]) } }, hosts };
  for (const [pattern, change] of CLAUSES) {
    const words = pattern.exec(clause)?.slice(1);
    const host = hosts.find(({ name }) => words?.includes(name) === true);
    if (words === undefined || host === undefined) continue;
    const after = change(
      host,
      words.filter((word) => word !== host.name),
    );
    return { needs, hosts: hosts.map((one) => (one === host ? after : one)) };
  }
  throw new Error(`nobody could do this: ${clause}`);
}

function labelled(host: PlaceableHost, name: string, value: string | undefined): PlaceableHost {
  const { [name]: _before, ...labels } = host.labels;
  return { ...host, labels: value === undefined ? labels : { ...labels, [name]: value } };
}

function started(host: PlaceableHost, service: string): PlaceableHost {
  return { ...host, services: new Map([...(host.services ?? []), [service, 1]]) };
}

function moved(host: PlaceableHost, service: string): PlaceableHost {
  const services = new Map(host.services);
  if (!services.delete(service)) throw new Error(`${service} is not on ${host.name}`);
  const repels = [...(host.repels ?? [])].map(
    ([repelled, by]) => [repelled, new Set([...by].filter((one) => one !== service))] as const,
  );
  return { ...host, services, repels: new Map(repels.filter(([, by]) => by.size > 0)) };
}

function free(host: PlaceableHost, amounts = ""): PlaceableHost {
  const used = { ...host.used };
  for (const [, amount, unit] of amounts.matchAll(/([\d.]+) (\w+)/g)) {
    if (unit === "cores") used.cpu -= Number(amount);
    else if (unit === "MiB") used.memory -= Number(amount) * mebi;
    else if (unit === "GPUs") used.gpu -= Number(amount);
    else throw new Error(`free ${amount} ${unit}?`);
  }
  for (const [kind, left] of Object.entries(used))
    if (left < -mebi / 2 ** 20) throw new Error(`${host.name} does not use so much ${kind}`);
  return { ...host, used };
}

/** A host with what is said, and nothing else. */
function newHost(others: readonly string[], has: readonly string[], starts: string): PlaceableHost {
  const labels: Record<string, string> = {};
  const facts = { cpu: 0.001, memory: 1, gpu: 0, costPerHour: 1_000, runtime: "process" };
  for (const other of others) if (other !== "") labels[other] = "such as no other has";
  for (const one of has) {
    const [, amount = "", unit] = /^([\d.]+) (cores?|[MG]iB memory|GPUs?)$/.exec(one) ?? [];
    const [, label, value] = /^label (\w+)=(\w+)$/.exec(one) ?? [];
    const [, price] = /^at most ([\d.]+) of cost per hour$/.exec(one) ?? [];
    if (unit?.startsWith("core")) facts.cpu = Number(amount);
    else if (unit?.startsWith("GPU")) facts.gpu = Number(amount);
    else if (unit !== undefined) facts.memory = Number(amount) * (unit.startsWith("G") ? 1_024 : 1) * mebi;
    else if (label !== undefined && value !== undefined) labels[label] = value;
    else if (price !== undefined) facts.costPerHour = Number(price);
    else if (one === "no cost") facts.costPerHour = 0;
    else if (one === "runtime docker") facts.runtime = "docker";
    else if (!one.startsWith("no label ")) throw new Error(`a host with ${one}?`);
  }
  const services = [...starts.matchAll(/ and start (\S+) there/g)].map(([, service = ""]) => service);
  const host: HostFacts = { name: "new", zone: labels.zone ?? "", labels, ...facts };
  return { ...host, used: NOTHING, services: new Map(services.map((service) => [service, 1])) };
}
