import type { GeneratedFile } from "@bufbuild/protoplugin";
import { sessionsOf } from "../../registry/sessions.ts";
import { propertyKey } from "../names.ts";
import { methodDoc, serviceDoc } from "./code-comments.ts";
import type { MethodModel, ServiceModel } from "./service-model.ts";
import type { ServiceSettings } from "./service-settings.ts";
import { libraryType, messageSymbol } from "./symbols.ts";

/** Prints what client and server have in common: names, shapes and codecs. Runs in browsers. */
export function emitDefinition(f: GeneratedFile, service: ServiceModel): void {
  const settings = service.settings;
  f.print(serviceDoc(f, service));
  f.print(f.export("const", `${service.desc.name}Definition`), " = {");
  f.print("  name: ", f.string(service.desc.typeName), ",");
  f.print("  version: ", f.string(settings?.version ?? ""), ",");
  f.print("  sessionKey: ", f.string(settings?.sessionKey ?? ""), ",");
  if (settings !== undefined) emitSettings(f, settings);
  f.print("  methods: {");
  for (const method of service.methods) emitMethod(f, method);
  f.print("  },");
  f.print("} as const satisfies ", libraryType("ServiceDefinition", "definition"), ";");
  f.print();
}

function emitSettings(f: GeneratedFile, settings: ServiceSettings): void {
  f.print("  startTimeoutMs: ", settings.startTimeoutMs, ",");
  const sessions = sessionsOf(settings);
  if (sessions !== undefined) {
    const { idleMs, retireMs, handOverMs } = sessions;
    f.print("  sessions: { idleMs: ", idleMs, ", retireMs: ", retireMs, ", handOverMs: ", handOverMs, " },");
  }
  if (settings.loadBalancing === "client") f.print('  balancing: "client",');
}

function emitMethod(f: GeneratedFile, method: MethodModel): void {
  const { desc, settings } = method;
  const path = `/${desc.parent.typeName}/${desc.name}`;
  f.print(methodDoc(f, method, "    "), "    ", propertyKey(method.name), ": {");
  f.print("      name: ", f.string(desc.name), ",");
  f.print("      path: ", f.string(path), ",");
  f.print("      requestStream: ", method.requestStream, ",");
  f.print("      responseStream: ", method.responseStream, ",");
  for (const [side, type] of [
    ["Request", messageSymbol(desc.input)],
    ["Response", messageSymbol(desc.output)],
  ] as const) {
    f.print`      encode${side}: (message: ${type.toTypeOnly()}): Uint8Array => ${type}.encode(message).finish(),`;
    f.print`      decode${side}: (bytes: Uint8Array): ${type.toTypeOnly()} => ${type}.decode(bytes),`;
  }
  f.print("      idempotent: ", settings.idempotency !== "unknown", ",");
  f.print("      deadlineMs: ", settings.deadlineMs, ",");
  f.print("      mode: ", f.string(settings.mode), ",");
  if (settings.durable === true) f.print("      durable: true,");
  f.print("    },");
}
