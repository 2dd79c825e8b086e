import { once } from "node:events";
import { existsSync } from "node:fs";
import { type Command, InvalidArgumentError } from "commander";
import type { Artifact } from "../../sdk/client/index.ts";
import { RouseError } from "../../sdk/errors.ts";
import { parseKeep } from "../artifact-flags.ts";
import { withArtifacts } from "../artifacts/connect.ts";
import { artifactLines, historyLines, showLines, size } from "../artifacts/lines.ts";
import { ProgressLine } from "../artifacts/progress.ts";
import { type PutFlags, putFile } from "../artifacts/put.ts";
import { collect, parseAgo, parseCount } from "../flags.ts";

interface ListFlags {
  where: string[];
  owner?: string;
  holder?: string;
  since?: number;
  limit: number;
  json?: true;
}

/** `rouse artifacts`: content that is kept, and passed along by its URI. */
export function addArtifacts(program: Command): void {
  const command = program
    .command("artifacts")
    .description("store, find, read and remove artifacts: content that services pass along by its URI");
  command
    .command("list [words...]", { isDefault: true })
    .description("list artifacts, newest first: all, or those that the words and conditions fit")
    .option("--where <condition>", 'such as "organism=lambda" or "reads>=1000"; repeatable', collect, [])
    .option("--owner <name>", "only those that this service or person stored")
    .option("--holder <name>", "only those that are held so, such as order:ID")
    .option("--since <time>", "only those of this time, such as 7d", parseAgo)
    .option("--limit <count>", "at most so many", parseCount, 20)
    .option("--json", "print JSON lines")
    .action(async (words: string[], flags: ListFlags) => {
      const { where, owner = "", holder = "", limit, since } = flags;
      const sinceMs = since === undefined ? 0 : Date.now() - since;
      const found: Artifact[] = [];
      await withArtifacts(async (artifacts) => {
        const wanted = { query: words.join(" "), where, owner, holder, sinceMs, limit };
        for await (const artifact of artifacts.search(wanted)) found.push(artifact);
      });
      if (flags.json === true) for (const artifact of found) console.log(JSON.stringify(artifact));
      else if (found.length === 0) console.log('There are none; "rouse artifacts put FILE" stores one.');
      else console.log(artifactLines(found));
    });
  command
    .command("put <file>")
    .description('store a file, or stdin ("-"), and print its URI; the same command goes on where one ended')
    .option("--name <name>", "its name (default: that of the file)")
    .option("--type <media type>", "such as text/csv (default: by the name)")
    .option("--meta <key=value>", "what shall be known of it; repeatable", collectPair, {})
    .option("--keep <time>", 'keep it at least so long, such as 90d, or "forever"', parseKeep)
    .option("--hold <name>", "keep it until this is released, such as study:17")
    .option("--json", "print all that is known of it")
    .action(async (file: string, flags: PutFlags & { json?: true }) => {
      const artifact = await withArtifacts((artifacts) => putFile(artifacts, file, flags));
      console.log(flags.json === true ? JSON.stringify(artifact, null, 2) : artifact.uri);
    });
  command
    .command("get <uri> [file]")
    .description(
      'write an artifact to a file (default: its name), or to stdout ("-"); goes on where one ended',
    )
    .action(async (uri: string, file: string | undefined) => {
      await withArtifacts(async (artifacts) => {
        const name = file ?? (await artifacts.show(uri)).name;
        const target = name === "" ? (uri.split(/[:?]/)[1] ?? uri) : name;
        // Whoever stored it chose that name.
        if (file === undefined && existsSync(target)) throw fileExists(target);
        if (target === "-") {
          for await (const chunk of artifacts.get(uri))
            if (!process.stdout.write(chunk)) await once(process.stdout, "drain");
          return;
        }
        const progress = new ProgressLine(target, "got");
        try {
          await artifacts.download(uri, target, {
            onBegin: (offset) => progress.begin(offset),
            onProgress: (bytes) => progress.tell(bytes),
          });
        } finally {
          progress.end();
        }
        console.error(target);
      });
    });
  command
    .command("show <uri>")
    .description("print all that is known of an artifact, and its history")
    .option("--json", "print JSON")
    .action(async (uri: string, { json }: { json?: true }) => {
      await withArtifacts(async (artifacts) => {
        const history = await artifacts.history(uri);
        const artifact = await artifacts.show(uri).catch((error: unknown) => {
          // Of one that is gone its history is left.
          if (json !== true) console.log(historyLines(history));
          throw error;
        });
        console.log(
          json === true ? JSON.stringify({ ...artifact, history }, null, 2) : showLines(artifact, history),
        );
      });
    });
  command
    .command("annotate <uri> <key=value...>")
    .description("say more of an artifact; what was said before stays in its history")
    .action(async (uri: string, pairs: string[]) => {
      const metadata = pairs.reduce(
        (before, pair) => collectPair(pair, before),
        {} as Record<string, string>,
      );
      await withArtifacts((artifacts) => artifacts.annotate(uri, metadata));
    });
  command
    .command("keep <uri> <time>")
    .description('keep an artifact at least so long from now, such as 90d, or "forever"')
    .action(async (uri: string, time: string) => {
      const keepMs = parseKeep(time);
      await withArtifacts((artifacts) => artifacts.keep(uri, keepMs === 0 ? "forever" : keepMs));
    });
  command
    .command("hold <uri> <name>")
    .description("keep an artifact until the name is released")
    .action(async (uri: string, name: string) => {
      await withArtifacts((artifacts) => artifacts.hold(uri, name));
    });
  command
    .command("release <name> [uri]")
    .description("let go of one artifact, or of all that the name holds")
    .action(async (name: string, uri: string | undefined) => {
      await withArtifacts((artifacts) => artifacts.release(name, uri));
    });
  command
    .command("verify <uri>")
    .description("read an artifact in the store and compare it with its digest")
    .action(async (uri: string) => {
      const bytes = await withArtifacts((artifacts) => artifacts.verify(uri));
      console.log(`${size(bytes)} are what was stored`);
    });
  command
    .command("rm <uri>")
    .description("remove an artifact's content; its history stays")
    .option("--reason <text>", "why", "")
    .action(async (uri: string, { reason }: { reason: string }) => {
      await withArtifacts((artifacts) => artifacts.remove(uri, reason));
    });
}

function fileExists(file: string): RouseError {
  return new RouseError(
    "ALREADY_EXISTS",
    `There is a file ${file} here already. Say where the artifact shall go: "rouse artifacts get URI FILE".`,
    { reason: "FILE_EXISTS" },
  );
}

function collectPair(text: string, before: Record<string, string>): Record<string, string> {
  const [, key, value = ""] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  if (key !== undefined) return { ...before, [key]: value };
  throw new InvalidArgumentError(`"${text}" is no pair: give key=value.`);
}
