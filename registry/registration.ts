import { createHash } from "node:crypto";
import { isAbsolute, normalize } from "node:path";
import type { About, Source } from "#proto/rouse/catalog/v1/catalog.ts";
import type { RegisterVersionRequest } from "#proto/rouse/registry/v1/registry.ts";
import { RouseError } from "../sdk/errors.ts";
import { mergeAbout } from "./descriptions/about.ts";
import { checkAbout, checkSource, checkTexts } from "./descriptions/check.ts";
import { aboutOfManifest } from "./descriptions/record.ts";
import { checkDescriptorSet } from "./descriptor-set.ts";
import { type Manifest, parseManifest } from "./manifest.ts";
import type { Deployment, VersionManifest } from "./state.ts";
import { checkTagName } from "./tag-name.ts";

/** A version that passed every check that needs no look at Consul. */
export interface Registration {
  readonly manifest: VersionManifest;
  readonly deployment: Deployment;
  readonly descriptorSet: Buffer;
  /** SHA-256 of the descriptor set, hex. */
  readonly digest: string;
  readonly tags: readonly string[];
  /** What the request says of the version, and where it says nothing the contract. */
  readonly about: About;
  readonly source: Source | undefined;
}

/** Bytes. */
export const MAX_MANIFEST_BYTES = 8 * 2 ** 20;

/**
 * Checks a request to register a version.
 *
 * @throws RouseError INVALID_ARGUMENT with a reason for each kind of fault: MANIFEST_TOO_LARGE, MANIFEST_INVALID,
 *   DESCRIPTOR_SET_INVALID, ARTIFACT_INVALID, ENV_INVALID, MOUNT_INVALID, TAG_INVALID, ABOUT_INVALID, SOURCE_INVALID.
 */
export function parseRegistration(request: RegisterVersionRequest, nowMs: number): Registration {
  const { descriptorSet: base64, ...manifest } = manifestOf(request.manifest);
  const descriptorSet = Buffer.from(base64, "base64");
  checkDescriptorSet(descriptorSet, manifest);
  checkTexts(manifest);
  return {
    manifest,
    deployment: {
      artifact: artifactOf(request),
      env: envOf(request.env),
      mounts: mountsOf(request.mounts),
      registeredAtMs: nowMs,
    },
    descriptorSet,
    digest: createHash("sha256").update(descriptorSet).digest("hex"),
    tags: tagsOf(request.tags),
    about: checkAbout(mergeAbout(request.about, aboutOfManifest(manifest))),
    source: checkSource(request.source),
  };
}

function manifestOf(bytes: Uint8Array): Manifest {
  if (bytes.length > MAX_MANIFEST_BYTES) {
    throw new RouseError(
      "INVALID_ARGUMENT",
      `The manifest has ${bytes.length} bytes; at most ${MAX_MANIFEST_BYTES} (8 MiB) are taken. Import fewer files into the contract, or split it into several services.`,
      { reason: "MANIFEST_TOO_LARGE" },
    );
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new RouseError("INVALID_ARGUMENT", 'The manifest is not UTF-8. Run "rouse gen" to write it anew.', {
      reason: "MANIFEST_INVALID",
      cause,
    });
  }
  const manifest = parseManifest(text);
  if (manifest.minInstances > manifest.maxInstances) {
    throw new RouseError(
      "INVALID_ARGUMENT",
      `The manifest wants at least ${manifest.minInstances} and at most ${manifest.maxInstances} instances. Set min_instances to max_instances or less in the contract.`,
      { reason: "MANIFEST_INVALID" },
    );
  }
  return manifest;
}

/** Most tags of one registration: each is a step of its transaction, which has 128 at most. */
const MOST_TAGS = 32;

function tagsOf(names: readonly string[]): string[] {
  const tags = [...new Set(names.map(checkTagName))];
  if (tags.length <= MOST_TAGS) return tags;
  throw invalid(
    "TAG_INVALID",
    `${tags.length} tags shall name the version; at most ${MOST_TAGS} are set by a registration. Set the others by "rouse tag".`,
  );
}

function artifactOf({ artifact }: RegisterVersionRequest): Deployment["artifact"] {
  const kind = artifact?.kind;
  if (kind?.$case === "bundle") {
    if (!/^[0-9a-f]{64}$/.test(kind.value)) {
      throw invalid(
        "ARTIFACT_INVALID",
        `"${kind.value}" is no digest of a bundle. Give the one that PutBundle answered.`,
      );
    }
    return { kind: "bundle", digest: kind.value };
  }
  if (kind?.$case === "image") {
    const { name, port, command } = kind.value;
    if (!/^[\w][\w.\-/:@]{0,511}$/.test(name)) {
      throw invalid(
        "ARTIFACT_INVALID",
        `"${name}" is no name of an image. Give one such as registry.local/genome:1.4.0.`,
      );
    }
    if (port > 65_535) {
      throw invalid(
        "ARTIFACT_INVALID",
        `${port} is no port of the image's server. Give 1 to 65535, or 0 for the one in PORT.`,
      );
    }
    return { kind: "image", name, port, command };
  }
  throw invalid(
    "ARTIFACT_INVALID",
    'Nothing says what to run. Give a bundle ("rouse build" makes one) or an image.',
  );
}

function envOf(env: Readonly<Record<string, string>>): Record<string, string> {
  for (const [name, value] of Object.entries(env)) {
    if (!/^[A-Za-z_]\w*$/.test(name)) {
      throw invalid(
        "ENV_INVALID",
        `"${name}" is no name of an environment variable. Use letters, digits and _.`,
      );
    }
    if (name.startsWith("ROUSE_") || name === "PORT") {
      throw invalid("ENV_INVALID", `The environment variable ${name} is set by Rouse. Choose another name.`);
    }
    if (value.includes("\0")) {
      throw invalid("ENV_INVALID", `The environment variable ${name} holds a NUL character. Take it out.`);
    }
  }
  return Object.fromEntries(Object.entries(env).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function mountsOf(mounts: RegisterVersionRequest["mounts"]): Deployment["mounts"] {
  const targets = new Set<string>();
  return mounts.map(({ source, target: given }) => {
    const target = given === "" ? source : given;
    for (const path of [source, target]) {
      if (!isAbsolute(path) || normalize(path) !== path || path.includes("\0")) {
        throw invalid(
          "MOUNT_INVALID",
          `"${path}" cannot be mounted. Give an absolute path without "..", "//" and the like.`,
        );
      }
    }
    if (target === "/")
      throw invalid("MOUNT_INVALID", "A mount cannot cover / of the instance. Mount a folder below it.");
    if (targets.has(target)) {
      throw invalid("MOUNT_INVALID", `Two mounts share the target ${target}. Give each a target of its own.`);
    }
    targets.add(target);
    return { source, target };
  });
}

function invalid(reason: string, message: string): RouseError {
  return new RouseError("INVALID_ARGUMENT", message, { reason });
}
