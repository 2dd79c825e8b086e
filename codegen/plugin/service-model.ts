import type { DescFile, DescMethod, DescService } from "@bufbuild/protobuf";
import { methodName } from "../names.ts";
import type { Problem } from "../problems.ts";
import type { MeshOptions } from "./mesh-options.ts";
import { type MethodSettings, readMethodSettings } from "./method-settings.ts";
import { readServiceSettings, type ServiceSettings } from "./service-settings.ts";

/** A service with its checked options: what every emitter works on. */
export interface ServiceModel {
  readonly desc: DescService;
  /** Undefined: a service without the mesh's option, such as one of somebody else's that is only called. */
  readonly settings: ServiceSettings | undefined;
  readonly methods: readonly MethodModel[];
}

export interface MethodModel {
  readonly desc: DescMethod;
  /** Name of the function, such as "getSequence". */
  readonly name: string;
  readonly settings: MethodSettings;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

/** Reads the services of a file; notes all problems of their options. */
export function readServices(file: DescFile, options: MeshOptions, problems: Problem[]): ServiceModel[] {
  return file.services.map((desc) => {
    const mesh = options.service(desc);
    return {
      desc,
      settings: mesh === undefined ? undefined : readServiceSettings(desc, mesh, problems),
      methods: desc.methods.map((method) => ({
        desc: method,
        name: methodName(method.name),
        settings: readMethodSettings(method, options.method(method), problems),
        requestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
        responseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
      })),
    };
  });
}
