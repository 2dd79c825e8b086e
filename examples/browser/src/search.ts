import type { Feature } from "@rouse-examples/genome/messages";

/** What was found for a name. */
export type Found =
  | { readonly kind: "feature"; readonly feature: Feature }
  | { readonly kind: "none"; readonly message: string };

/** Names of features that were loaded so far: browsers cannot send the stream of questions that LookUp takes. */
export class Names {
  readonly #byName = new Map<string, Feature>();

  /** Keeps the features' names; of two with one name the first, which is the gene rather than its parts. */
  add(features: readonly Feature[]): void {
    for (const feature of features)
      if (feature.name !== "" && !this.#byName.has(feature.name)) this.#byName.set(feature.name, feature);
  }

  clear(): void {
    this.#byName.clear();
  }

  /** As written, or else whatever the case, or else the only one that begins so. */
  find(name: string): Found {
    const exact = this.#byName.get(name);
    if (exact !== undefined) return { kind: "feature", feature: exact };
    const lower = name.toLowerCase();
    const all = [...this.#byName.values()];
    const same = all.filter((one) => one.name.toLowerCase() === lower);
    const begun = same.length > 0 ? same : all.filter((one) => one.name.toLowerCase().startsWith(lower));
    const [only] = begun;
    if (only !== undefined && begun.length === 1) return { kind: "feature", feature: only };
    const near = begun.length > 0 ? begun : all.filter((one) => one.name.toLowerCase().includes(lower));
    if (near.length === 0)
      return { kind: "none", message: `No gene "${name}" in what is loaded; zoom out, or type a place.` };
    const names = near.slice(0, 6).map((one) => one.name);
    return {
      kind: "none",
      message: `No gene is called "${name}"; there is ${names.join(", ")}${near.length > 6 ? ", …" : ""}.`,
    };
  }

  /** All names, by the alphabet; at most a thousand. */
  suggestions(): string[] {
    return [...this.#byName.keys()].sort((a, b) => a.localeCompare(b, "en")).slice(0, 1_000);
  }
}
