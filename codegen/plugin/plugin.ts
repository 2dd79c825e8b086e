import type { DescFile } from "@bufbuild/protobuf";
import { createEcmaScriptPlugin, type Schema } from "@bufbuild/protoplugin";
import { formatProblem, type Problem, sortProblems } from "../problems.ts";
import { checkNames } from "./check-names.ts";
import { checkSyntax } from "./check-syntax.ts";
import { descriptorSet } from "./descriptor-set.ts";
import { docsHtml } from "./docs/html.ts";
import { docsMarkdown } from "./docs/markdown.ts";
import { emitBrowserClient, emitNodeClient } from "./emit-clients.ts";
import { emitDefinition } from "./emit-definition.ts";
import { manifestOf } from "./emit-manifest.ts";
import { emitServer } from "./emit-server.ts";
import { meshOptions } from "./mesh-options.ts";
import { readServices, type ServiceModel } from "./service-model.ts";
import { servicesFile } from "./services-file.ts";

/**
 * Our protoc plugin. Checks all files before it writes any; what is wrong with them comes out as one line per
 * problem, "file:line:column: message".
 */
export const plugin = createEcmaScriptPlugin({
  name: "protoc-gen-rouse",
  version: "v1",
  generateTs(schema) {
    const options = meshOptions(schema.allFiles);
    const problems: Problem[] = [];
    const models = schema.files.map((file) => {
      checkSyntax(file, problems);
      checkNames(file, problems);
      return { file, services: readServices(file, options, problems) };
    });
    if (problems.length > 0)
      throw new Error(["the contract has problems", ...sortProblems(problems).map(formatProblem)].join("\n"));
    for (const { file, services } of models) emitFile(schema, file, services);
    const services = models.flatMap((model) => model.services);
    const names = (annotated: boolean) =>
      services
        .filter(({ settings }) => (settings !== undefined) === annotated)
        .map(({ desc }) => desc.typeName);
    emitText(schema, servicesFile, JSON.stringify({ annotated: names(true), plain: names(false) }));
  },
});

function emitFile(schema: Schema, file: DescFile, services: readonly ServiceModel[]): void {
  emitText(schema, `${file.name}.md`, docsMarkdown(file, services));
  emitText(schema, `${file.name}.html`, docsHtml(file, services));
  if (services.length === 0) return;
  const definition = emitCode(schema, file, "definition");
  const client = emitCode(schema, file, "client");
  const browser = emitCode(schema, file, "browser");
  emitServer(emitCode(schema, file, "server"), services, descriptorSet(file, { comments: false }));
  for (const service of services) {
    emitDefinition(definition, service);
    emitNodeClient(client, service);
    emitBrowserClient(browser, service);
    const manifest = manifestOf(service);
    if (manifest !== undefined)
      emitText(schema, `${service.desc.typeName}.manifest.json`, `${JSON.stringify(manifest, null, 2)}\n`);
  }
}

function emitCode(schema: Schema, file: DescFile, kind: string) {
  const f = schema.generateFile(`${file.name}.${kind}.ts`);
  f.preamble(file);
  return f;
}

function emitText(schema: Schema, name: string, text: string): void {
  schema.generateFile(name).print(text.trimEnd());
}
