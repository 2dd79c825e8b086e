import type { DescEnum, DescFile, DescMessage } from "@bufbuild/protobuf";
import { createImportSymbol, type ImportSymbol } from "@bufbuild/protoplugin";
import { topTypeName, typeName } from "../names.ts";

/** Name of a message or enum in the code that ts-proto writes. */
export function tsTypeName(desc: DescMessage | DescEnum): string {
  const path: string[] = [];
  for (let at: DescMessage | DescEnum | undefined = desc; at !== undefined; at = at.parent)
    path.unshift(at.name);
  // ts-proto has names of its own for the well-known types, and none of them is taken.
  if (desc.file.proto.package === "google.protobuf" && path[0] !== topTypeName(path[0] ?? ""))
    return path.join("_");
  return typeName(path);
}

/** The message as ts-proto writes it: an interface, and a value of the same name that encodes and decodes it. */
export function messageSymbol(desc: DescMessage): ImportSymbol {
  return createImportSymbol(tsTypeName(desc), `./${desc.file.name}.js`, false);
}

/** The definition of a service. */
export function definitionSymbol(file: DescFile, service: string): ImportSymbol {
  return createImportSymbol(`${service}Definition`, `./${file.name}.definition.js`, false);
}

/** Something of Rouse's library that is only a type. */
export function libraryType(name: string, entry: string): ImportSymbol {
  return createImportSymbol(name, `rouse/${entry}`, true);
}

/** Something of Rouse's library. */
export function librarySymbol(name: string, entry: string): ImportSymbol {
  return createImportSymbol(name, `rouse/${entry}`, false);
}
