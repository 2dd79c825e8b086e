import type { GeneratedFile, Printable } from "@bufbuild/protoplugin";
import { propertyKey } from "../names.ts";
import { methodDoc, serviceDoc } from "./code-comments.ts";
import type { MethodModel, ServiceModel } from "./service-model.ts";
import { definitionSymbol, librarySymbol, libraryType, messageSymbol } from "./symbols.ts";

/**
 * Prints what implements a service: the interface of its handlers and `serve`, or `serveX` where a file has several
 * services.
 */
export function emitServer(f: GeneratedFile, services: readonly ServiceModel[], descriptorSet: string): void {
  f.print("/** google.protobuf.FileDescriptorSet with imports, base64, for server reflection. */");
  f.print("const descriptorSet =\n  ", f.string(descriptorSet), ";");
  f.print();
  for (const service of services) {
    const { name, file } = service.desc;
    emitHandlers(f, service);
    const definition = definitionSymbol(file, name);
    const serve = services.length === 1 ? "serve" : `serve${name}`;
    const type = libraryType("ServeFunction", "server");
    f.print`/**
 * Serves ${name} until the process is told to stop: health, reflection, deadlines, traces and graceful drain.
 *
 * @throws RouseError when the address cannot be bound or the state cannot be made.
 */`;
    f.print`${f.export("const", serve)}: ${type}<typeof ${definition}> = ${librarySymbol("bindService", "server")}(
  ${definition},
  descriptorSet,
);`;
    f.print();
  }
}

function emitHandlers(f: GeneratedFile, service: ServiceModel): void {
  f.print(serviceDoc(f, service, `What implements ${service.desc.name}: one function per method.`));
  f.print(f.export("interface", `${service.desc.name}Handlers`), "<State = undefined> {");
  for (const method of service.methods) {
    f.print(
      methodDoc(f, method, "  "),
      `  ${propertyKey(method.name)}: (`,
      requestOf(method),
      contextOf(method),
      "<State>) => ",
      responseOf(method),
      ";",
    );
  }
  f.print("}");
  f.print();
}

function contextOf({ settings }: MethodModel): Printable {
  if (settings.durable === true) return [", run: ", libraryType("Run", "server")];
  return [", call: ", libraryType(settings.mode === "job" ? "JobCall" : "Call", "server")];
}

function requestOf(method: MethodModel): Printable {
  const type = messageSymbol(method.desc.input).toTypeOnly();
  return method.requestStream ? ["requests: AsyncIterable<", type, ">"] : ["request: ", type];
}

function responseOf(method: MethodModel): Printable {
  const type = messageSymbol(method.desc.output).toTypeOnly();
  return method.responseStream ? ["AsyncIterable<", type, ">"] : ["Promise<", type, "> | ", type];
}
