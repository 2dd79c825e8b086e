import { parseContract } from "../../registry/catalog/contract/contract.ts";
import { contractPieces, describedPieces } from "../../registry/catalog/search/pieces.ts";
import { aboutOfManifest } from "../../registry/descriptions/record.ts";
import type { Manifest } from "../../registry/manifest.ts";

/** The plain way to search: every word of the query must be somewhere in a service's texts; hits by name. */
export function scanner(manifests: readonly Manifest[]): (query: string, limit: number) => string[] {
  const documents = manifests
    .map((manifest) => {
      const contract = parseContract(manifest.service, Buffer.from(manifest.descriptorSet, "base64"));
      const pieces = [
        ...describedPieces(manifest.service, manifest, aboutOfManifest(manifest)),
        ...contractPieces(contract),
      ];
      const text = pieces.map((piece) => piece.text).join("\n");
      return { name: manifest.service, text: text.toLowerCase() };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  return (query, limit) => {
    const words = query.toLowerCase().split(/\s+/);
    const found = documents.filter(({ text }) => words.every((word) => text.includes(word)));
    return found.slice(0, limit).map(({ name }) => name);
  };
}
