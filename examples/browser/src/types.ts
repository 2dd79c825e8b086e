/** A kind of features that can be shown or left out. */
export interface TypeChoice {
  readonly id: string;
  readonly title: string;
  /** Terms of the Sequence Ontology; undefined: all that no other choice has. */
  readonly types: readonly string[] | undefined;
}

export const choices: readonly TypeChoice[] = [
  { id: "genes", title: "Genes", types: ["gene", "pseudogene"] },
  { id: "operators", title: "Operators", types: ["operator", "promoter", "terminator"] },
  { id: "cds", title: "CDS", types: ["CDS"] },
  { id: "others", title: "Others", types: undefined },
];

/** Which features are shown. */
export interface TypeFilter {
  /** To ask for; empty: all. */
  readonly types: readonly string[];
  /** Version 1 of the service knows no filter and sends all. */
  shows(type: string): boolean;
}

/** The filter for some choices. The line of the whole reference ("region") is no feature to be drawn. */
export function filterOf(chosen: ReadonlySet<string>): TypeFilter {
  const named = new Set(choices.flatMap(({ types }) => types ?? []));
  const wanted = choices.filter(({ id }) => chosen.has(id));
  const types = wanted.flatMap((choice) => choice.types ?? []);
  const others = wanted.some((choice) => choice.types === undefined);
  return {
    types: others ? [] : types,
    shows: (type) => type !== "region" && (types.includes(type) || (others && !named.has(type))),
  };
}
