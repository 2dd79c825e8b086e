import type { DescMessage } from "@bufbuild/protobuf";
import { RegistryClient, type Service } from "#proto/rouse/registry/v1/registry.ts";
import { parseManifest } from "../../registry/manifest.ts";
import { unary } from "../../sdk/grpc.ts";
import { findMethod } from "../call/method.ts";
import { type Mesh, withClient } from "../connect.ts";
import type { Candidate } from "./complete.ts";

/** A shell waits for its user: what takes longer is not worth it. ms. */
const PATIENCE_MS = 1_500;
/** How deep fields of messages in messages are offered. */
const DEEPEST = 3;

/** Names of what is registered, for the shell. */
export interface Catalog {
  services(): Promise<readonly Candidate[]>;
  versions(service: string): Promise<readonly Candidate[]>;
  tags(service: string): Promise<readonly Candidate[]>;
  /** Versions and tags. */
  specs(service: string): Promise<readonly Candidate[]>;
  /** "SERVICE/METHOD". */
  methods(service: string): Promise<readonly Candidate[]>;
  /** "name=" for each field of the method's request. */
  fields(method: string, spec: string): Promise<readonly Candidate[]>;
}

/** The catalog of a mesh that runs; what it does not answer is not completed. */
export function meshCatalog(mesh: () => Mesh): Catalog {
  const list = async (service: string): Promise<readonly Service[]> => {
    const found = await withClient(RegistryClient, mesh().registry, (client) =>
      unary(client, "listServices", { service }, { deadlineMs: PATIENCE_MS }),
    );
    return found.services;
  };
  const versions = async (service: string) =>
    (await list(service)).flatMap((one) =>
      one.versions.map(({ version, summary }) => ({ value: version, about: summary })),
    );
  const tags = async (service: string) =>
    (await list(service)).flatMap((one) =>
      one.tags.map(({ name, versions: members }) => ({
        value: name,
        about: members.map(({ version }) => version).join(", "),
      })),
    );
  return {
    services: async () =>
      (await list("")).map(({ name, versions: [newest] }) => ({ value: name, about: newest?.summary ?? "" })),
    versions,
    tags,
    specs: async (service) => [...(await versions(service)), ...(await tags(service))],
    methods: async (service) => {
      const { manifest: bytes } = await withClient(RegistryClient, mesh().registry, (client) =>
        unary(client, "getManifest", { service, spec: "" }, { deadlineMs: PATIENCE_MS }),
      );
      const manifest = parseManifest(Buffer.from(bytes).toString("utf8"));
      return manifest.methods.map(({ name, docs }) => ({ value: `${service}/${name}`, about: docs }));
    },
    fields: async (method, spec) =>
      fieldsOf((await findMethod(mesh().registry, method, spec)).descriptor.input),
  };
}

function fieldsOf(message: DescMessage, prefix = "", within: readonly DescMessage[] = []): Candidate[] {
  return message.fields.flatMap((field) => {
    const path = `${prefix}${field.name}`;
    const own = { value: `${path}=`, about: "" };
    const inner = field.fieldKind === "message" ? field.message : undefined;
    const open = inner !== undefined && within.length < DEEPEST && !within.includes(inner);
    // Those of Google have forms of their own in JSON.
    if (!open || inner.typeName.startsWith("google.protobuf.")) return [own];
    return [...fieldsOf(inner, `${path}.`, [...within, message]), own];
  });
}
