import { RouseError } from "../../sdk/errors.ts";

/** The spellings of a new service's name. */
export interface ServiceNames {
  /** "gene-finder": folder and npm package. */
  readonly name: string;
  /** "gene_finder": protobuf package and file. */
  readonly snake: string;
  /** "GeneFinderService". */
  readonly service: string;
  /** "gene_finder.v1.GeneFinderService". */
  readonly fullName: string;
}

/** Names that would be taken for somebody else's contracts. */
const taken = new Set(["google", "grpc", "rouse", "buf", "node", "vitest", "typescript"]);

/**
 * Checks the name of a new service and spells it in all ways.
 *
 * @throws RouseError INVALID_ARGUMENT NAME_INVALID
 */
export function serviceNames(name: string): ServiceNames {
  const invalid = (message: string) =>
    new RouseError("INVALID_ARGUMENT", message, { reason: "NAME_INVALID", metadata: { name } });
  if (!/^[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*$/.test(name))
    throw invalid(
      `${JSON.stringify(name)} is no name for a service. Use words of lower-case letters and digits with "-" between them, such as "gene-finder".`,
    );
  if (name.length > 50) throw invalid(`The name has ${name.length} characters. Shorten it to 50 at most.`);
  if (taken.has(name)) throw invalid(`The name "${name}" is taken by a library. Choose another one.`);
  const words = name.split("-");
  const snake = words.join("_");
  const pascal = words.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join("");
  const service = pascal.endsWith("Service") ? pascal : `${pascal}Service`;
  return { name, snake, service, fullName: `${snake}.v1.${service}` };
}
