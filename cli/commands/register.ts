import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { RouseError } from "../../sdk/errors.ts";
import { buildFromGit } from "../builds.ts";
import { readMesh } from "../connect.ts";
import { registerPackage } from "../register-package.ts";
import { stateWord, versionState } from "../version-state.ts";

interface RegisterFlags {
  dir: string;
  image?: string;
  port: number;
  command: string[];
  tag: string[];
  env: string[];
  mount: string[];
  file: string[];
  registry?: string;
  repo?: string;
  ref?: string;
  folder?: string;
}

const collect = (value: string, before: string[]) => [...before, value];

/** `rouse register`: puts a version of a service into the catalog. */
export function addRegister(program: Command): void {
  program
    .command("register")
    .description("register a version of a service, built from a package or run from an image")
    .option("--dir <folder>", "the package", ".")
    .option("--image <name>", "run this image instead of a bundle of the package")
    .option("--port <number>", "port of the image's gRPC server; without it Rouse sets PORT", parsePort, 0)
    .option("--command <word>", "override the image's command; once for each word", collect, [])
    .option("--tag <name>", 'point a tag at this version too, such as "release"; repeatable', collect, [])
    .option("--env <name=value>", "environment of each instance; repeatable", collect, [])
    .option(
      "--mount <source[:target]>",
      "file or folder that each instance sees, read-only; repeatable",
      collect,
      [],
    )
    .option(
      "--file <name=path>",
      "file that each instance sees and finds by this environment variable; repeatable",
      collect,
      [],
    )
    .option("--repo <url>", "let the registry build it from this git repository, and follow its log")
    .option("--ref <ref>", "branch, tag or commit of the repository; default: its default branch")
    .option("--folder <path>", "the package's folder in the repository; default: its root")
    .option("--registry <host:port>", "the registry, when it is not that of the mesh on this host")
    .action(async (flags: RegisterFlags, self: Command) => {
      const registry = flags.registry ?? readMesh().registry;
      if (flags.repo !== undefined) return registerFromGit(registry, flags.repo, flags, self);
      if (flags.ref !== undefined || flags.folder !== undefined)
        throw invalid("--ref and --folder belong to a git repository. Name it by --repo, or leave them out.");
      const { name: image, port, command } = { name: flags.image, port: flags.port, command: flags.command };
      if (image === undefined && (port !== 0 || command.length > 0)) {
        throw invalid("--port and --command belong to an image. Name it by --image, or leave them out.");
      }
      const files = flags.file.map(parseFile);
      const { service, version, created, manifest } = await registerPackage({
        registry,
        dir: flags.dir,
        ...(image === undefined ? {} : { image: { name: image, port, command } }),
        tags: flags.tag,
        env: Object.fromEntries([...flags.env.map(parseEnv), ...files]),
        mounts: [
          ...flags.mount.map(parseMount),
          ...files.map(([, path]) => ({ source: path, target: path })),
        ],
        say: (line) => console.log(line),
      });
      const state = await versionState(registry, service, version);
      const verb = created ? "registered" : "already registered, unchanged:";
      console.log(`${verb} ${service} ${version} (${stateWord(state.version)})`);
      if (flags.tag.length > 0) console.log(`${flags.tag.join(", ")} → ${version}`);
      const method = manifest.methods.find((one) => !one.clientStreaming) ?? manifest.methods[0];
      const spec = state.isDefault ? "" : ` --version ${version}`;
      console.log(`call it: rouse call ${service}/${method?.name} '{}'${spec}`);
    });
}

/** Flags that a build from git takes. */
const GIT_FLAGS = new Set(["repo", "ref", "folder", "tag", "registry", "data"]);

async function registerFromGit(
  registry: string,
  repository: string,
  flags: RegisterFlags,
  command: Command,
): Promise<void> {
  const other = command.options.find(
    (option) =>
      !GIT_FLAGS.has(option.attributeName()) &&
      command.getOptionValueSource(option.attributeName()) === "cli",
  );
  if (other !== undefined)
    throw invalid(
      `${other.long} does not go with --repo: the registry builds what the repository holds. Leave one of them out.`,
    );
  const { ref = "", folder = "", tag: tags } = flags;
  const { service, version } = await buildFromGit(registry, { repository, ref, folder, tags });
  const state = await versionState(registry, service, version);
  console.log(`registered ${service} ${version} (${stateWord(state.version)})`);
  if (tags.length > 0) console.log(`${tags.join(", ")} → ${version}`);
}

function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port >= 1 && port <= 65_535) return port;
  throw invalid(`"${text}" is no port. Give a number from 1 to 65535.`);
}

function parseEnv(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw invalid(`--env ${text} has no value. Write --env NAME=VALUE.`);
}

/** A file under its own path: the name of a variable, and the path. */
function parseFile(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at < 1 || at === text.length - 1) throw invalid(`--file ${text} is not NAME=PATH.`);
  const path = resolve(text.slice(at + 1));
  if (existsSync(path)) return [text.slice(0, at), path];
  throw invalid(`--file ${text}: ${path} does not exist on this host. Name a file or folder that does.`);
}

function parseMount(text: string): { source: string; target: string } {
  const [source = "", target = "", ...more] = text.split(":");
  if (source === "" || more.length > 0) throw invalid(`--mount ${text} is not SOURCE or SOURCE:TARGET.`);
  const path = resolve(source);
  if (!existsSync(path))
    throw invalid(`--mount ${text}: ${path} does not exist on this host. Name a file or folder that does.`);
  return { source: path, target: target === "" ? path : target };
}

function invalid(message: string): RouseError {
  return new RouseError("INVALID_ARGUMENT", message, { reason: "FLAG_INVALID" });
}
