import { z } from "zod";

/** Name of a host's label, or one of "host", "zone" and "runtime", which every host has. */
const attribute = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,100}$/, 'must be "host", "zone", "runtime" or the name of a label');

/** How much a wish counts beside the others, 1 to 100. */
const weight = z.number().int().min(1).max(100);

const affinity = z
  .strictObject({
    /** "name=value" of a label, "zone" and "runtime" included. */
    label: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,100}=.{0,512}$/, 'must be "name=value"')
      .exactOptional(),
    /** Full name of a service whose instances are meant, of all versions. */
    service: z.string().min(1).max(253).exactOptional(),
    strict: z.boolean(),
    weight,
  })
  .refine(
    ({ label, service }) => (label === undefined) !== (service === undefined),
    "names either a label or a service",
  );

/** Where a contract wants its instances; what is strict filters hosts, the rest is weighed. */
export const placementRulesSchema = z.strictObject({
  /** True: it boots with the mesh. */
  core: z.literal(true).exactOptional(),
  spread: z.array(z.strictObject({ over: attribute, strict: z.boolean(), weight })).max(8),
  affinity: z.array(affinity).max(16),
  antiAffinity: z.array(affinity).max(16),
  prefer: z.enum(["fast", "cheap"]).exactOptional(),
  /** What all instances of the version may cost together, in the unit in which hosts announce their cost per hour. */
  maxCostPerHour: z.number().positive().exactOptional(),
});

export type PlacementRules = z.infer<typeof placementRulesSchema>;
export type AffinityRule = PlacementRules["affinity"][number];

/** The rules in words, for docs and comparisons: "on different hosts, spread over zone, near disk=ssd". */
export function placementText(rules: PlacementRules): string {
  const parts = [
    ...(rules.core === true ? ["with the mesh"] : []),
    ...rules.spread.map(({ over, strict }) => `${strict ? "one for each" : "spread over"} ${over}`),
    ...rules.affinity.map((rule) => `${rule.strict ? "only near" : "near"} ${subjectOf(rule)}`),
    ...rules.antiAffinity.map((rule) => `${rule.strict ? "never near" : "not near"} ${subjectOf(rule)}`),
    ...(rules.prefer === undefined ? [] : [`on ${rules.prefer} hosts`]),
    ...(rules.maxCostPerHour === undefined ? [] : [`at most ${rules.maxCostPerHour} per hour`]),
  ];
  return parts.join(", ") || "anywhere";
}

/** What a rule looks at: a label or a service. */
export function subjectOf({ label, service }: AffinityRule): string {
  return label ?? service ?? "";
}
