import type { Manifest } from "../../registry/manifest.ts";
import type { AffinityRule, PlacementRules } from "../../registry/placement-rules.ts";
import type { ServiceMesh } from "./mesh-options.ts";
import type { OptionReader } from "./option-reader.ts";

type Written = NonNullable<ServiceMesh["placement"]>;

/** Field of the service's option. */
const placement = 14;
const spread = [placement, 2];
/** "Several", for a service that is there with the mesh. */
export const CORE_INSTANCES = 2;

const attributePattern = /^[A-Za-z0-9_-]{1,100}$/;
const labelPattern = /^[A-Za-z0-9_-]{1,100}=.{0,512}$/;
const servicePattern = /^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$/;

/** Checks where instances are to go; absent in the manifest where the contract says nothing of it. */
export function readPlacement(mesh: ServiceMesh, reader: OptionReader): Pick<Manifest, "placement"> {
  const { placement: written } = mesh;
  if (written === undefined) return {};
  const affinity = written.affinity.map((rule, n) =>
    readAffinity(`affinity.${n}`, [placement, 3, n], rule, reader),
  );
  const antiAffinity = written.anti_affinity.map((rule, n) =>
    readAffinity(`anti_affinity.${n}`, [placement, 4, n], rule, reader),
  );
  tooMany("affinity", [placement, 3], affinity.length, 16, reader);
  tooMany("anti_affinity", [placement, 4], antiAffinity.length, 16, reader);
  return {
    placement: {
      ...(written.core ? { core: true as const } : {}),
      spread: readSpread(written, reader),
      affinity,
      antiAffinity,
      ...readPrefer(written, reader),
      ...readCost(written, reader),
    },
  };
}

/** Notes a core service that asks for fewer instances than makes one. */
export function checkCore(mesh: ServiceMesh, reader: OptionReader): void {
  if (mesh.placement?.core !== true || !reader.isWritten([10])) return;
  if (mesh.min_instances < CORE_INSTANCES)
    reader.problem(
      [10],
      `min_instances ${mesh.min_instances} is less than the ${CORE_INSTANCES} that a service with placement.core has at least. Raise it, or take core out.`,
    );
}

function readSpread(written: Written, reader: OptionReader): PlacementRules["spread"] {
  const rules = written.spread.map(({ over, strict, weight }, n) => {
    const path = [...spread, n];
    const name = over === "" ? "host" : over;
    if (!attributePattern.test(name))
      reader.problem(
        [...path, 1],
        `placement.spread.${n} ${JSON.stringify(over)} is nothing to spread over. Write "host", "zone", or the name of a label.`,
      );
    else if (written.spread.findIndex((other) => (other.over || "host") === name) < n)
      reader.problem([...path, 1], `placement.spread.${n} is over ${name} again. Take one of them out.`);
    return { over: name, ...readWeight(`spread.${n}`, path, 3, strict, weight, 100, reader) };
  });
  tooMany("spread", spread, rules.length, 8, reader);
  // What has to be there when a host dies must not all be on it.
  const apart = written.core && !rules.some(({ over }) => over === "host");
  return apart ? [{ over: "host", strict: true, weight: 100 }, ...rules] : rules;
}

function readAffinity(
  name: string,
  path: readonly number[],
  { label, service, strict, weight }: Written["affinity"][number],
  reader: OptionReader,
): AffinityRule {
  if ((label === "") === (service === ""))
    reader.problem(
      path,
      `placement.${name} must name a label or a service, one of them. Write {label: "disk=ssd"} or {service: "genome.v1.GenomeService"}; for both, write two.`,
    );
  else if (label !== "" && !labelPattern.test(label))
    reader.problem(
      [...path, 1],
      `placement.${name} ${JSON.stringify(label)} is no label. Write its name, "=" and its value, such as "disk=ssd" or "zone=eu-1".`,
    );
  else if (service !== "" && !(servicePattern.test(service) && service.length <= 253))
    reader.problem(
      [...path, 2],
      `placement.${name} ${JSON.stringify(service)} is no service. Write its full name, such as "genome.v1.GenomeService".`,
    );
  const to = service === "" ? { label } : { service };
  return { ...to, ...readWeight(name, path, 4, strict, weight, 50, reader) };
}

/** @param number Number of the field weight. */
function readWeight(
  name: string,
  path: readonly number[],
  number: number,
  strict: boolean,
  value: number,
  otherwise: number,
  reader: OptionReader,
): { strict: boolean; weight: number } {
  const field = [...path, number];
  if (strict && value !== 0)
    reader.problem(field, `placement.${name}.weight has no effect on what is strict. Take one of them out.`);
  const weight = reader.count(
    { name: `placement.${name}.weight`, path: field, value },
    { least: 1, most: 100, otherwise },
  );
  return { strict, weight };
}

function tooMany(
  name: string,
  path: readonly number[],
  count: number,
  most: number,
  reader: OptionReader,
): void {
  if (count > most) reader.problem(path, `placement.${name} has ${count} rules. Keep to ${most} at most.`);
}

function readPrefer({ prefer }: Written, reader: OptionReader): Pick<PlacementRules, "prefer"> {
  if (prefer === "unspecified") return {};
  if (prefer === "fast" || prefer === "cheap") return { prefer };
  reader.problem(
    [placement, 5],
    `placement.prefer ${prefer} is unknown. Choose a value of rouse/mesh/v1/options.proto.`,
  );
  return {};
}

function readCost(
  { max_cost_per_hour: most }: Written,
  reader: OptionReader,
): Pick<PlacementRules, "maxCostPerHour"> {
  const path = [placement, 6];
  if (most === 0 && !reader.isWritten(path)) return {};
  if (most > 0 && Number.isFinite(most)) return { maxCostPerHour: most };
  reader.problem(
    path,
    `placement.max_cost_per_hour ${most} is out of range. Write more than 0, such as 1.5, in the unit of the hosts' cost, or leave it out.`,
  );
  return {};
}
