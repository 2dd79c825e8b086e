import type { GeneratedFile } from "@bufbuild/protoplugin";
import { serviceDoc } from "./code-comments.ts";
import type { ServiceModel } from "./service-model.ts";
import { definitionSymbol, librarySymbol, libraryType } from "./symbols.ts";

/** Prints the client for Node: gRPC, to the mesh's internal listener or the edge. */
export function emitNodeClient(f: GeneratedFile, service: ServiceModel): void {
  const { name, file } = service.desc;
  const definition = definitionSymbol(file, name);
  f.print(serviceDoc(f, service, `A client of ${name}: one function per method.`));
  f.print`${f.export("type", `${name}Client`)} = ${libraryType("Client", "client")}<typeof ${definition}>;`;
  f.print();
  f.print`/** Makes a client of ${name}. Nothing is sent before the first call; that call starts the service if need be. */`;
  f.print`${f.export("function", `create${name}Client`)}(options?: ${libraryType("ClientOptions", "client")}): ${name}Client {`;
  f.print`  return ${librarySymbol("createClient", "client")}(${definition}, options);`;
  f.print("}");
  f.print();
}

/** Prints the client for browsers: gRPC-web, to the edge listener. Imports no Node module. */
export function emitBrowserClient(f: GeneratedFile, service: ServiceModel): void {
  const { name, file } = service.desc;
  const definition = definitionSymbol(file, name);
  const options = libraryType("BrowserClientOptions", "browser");
  f.print(serviceDoc(f, service, `A gRPC-web client of ${name}: one function per method.`));
  f.print`${f.export("type", `${name}BrowserClient`)} = ${libraryType("BrowserClient", "browser")}<typeof ${definition}>;`;
  f.print();
  f.print`/** Makes a gRPC-web client of ${name}. gRPC-web knows no streams of requests: such methods are left out. */`;
  f.print`${f.export("function", `create${name}BrowserClient`)}(options?: ${options}): ${name}BrowserClient {`;
  f.print`  return ${librarySymbol("createBrowserClient", "browser")}(${definition}, options);`;
  f.print("}");
  f.print();
}
