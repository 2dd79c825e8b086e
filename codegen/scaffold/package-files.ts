import type { ServiceNames } from "./names.ts";

/** Versions of Rouse's own tools, so that a new package gets the same. */
export interface ToolVersions {
  readonly [tool: string]: string;
}

/**
 * package.json of a new service.
 *
 * @param rouse the path of Rouse's folder from the package.
 * @param actor the file that declares an actor; undefined: a contract is there.
 */
export function packageJson(
  names: ServiceNames,
  rouse: string,
  versions: ToolVersions,
  actor?: string,
): string {
  const content = {
    name: names.name,
    version: "0.1.0",
    private: true,
    type: "module",
    rouse: { service: names.fullName, ...(actor !== undefined && { actor }) },
    scripts: {
      gen: "rouse gen",
      prestart: "rouse gen",
      start: `node ${actor === undefined ? "src/main.ts" : "gen/actor.main.ts"}`,
      pretest: "rouse gen",
      test: "vitest run",
      precheck: "rouse gen",
      check: "tsc --noEmit",
    },
    dependencies: { rouse: `file:${rouse}` },
    devDependencies: versions,
  };
  return `${JSON.stringify(content, null, 2)}\n`;
}

/** tsconfig.json of a new service: the compiler at its strictest. @param options Rouse's own compiler options. */
export function tsconfig(options: object): string {
  return `${JSON.stringify({ compilerOptions: options, include: ["src", "gen"] }, null, 2)}\n`;
}

export const gitignore = "node_modules/\ngen/\ndist/\n";

/** README.md of a new service. */
export function readme({ name, snake, service, fullName }: ServiceNames): string {
  return `# ${name}

${service}, a service for the Rouse mesh.

| file | is |
|---|---|
| \`proto/${snake}/v1/${snake}.proto\` | the contract: methods, messages, and what the mesh must know |
| \`src/handlers.ts\` | what the methods do |
| \`src/main.ts\` | the program |
| \`gen/\` | generated from the contract, not committed; docs in \`gen/${snake}/v1/${snake}.html\` |

\`\`\`sh
npm install
npm test                 # generates, then tests over real gRPC in one process
npm run check            # the compiler at its strictest
npm start                # serves on 127.0.0.1:50051, without a mesh
\`\`\`

With a mesh (\`npx rouse up\`, in another terminal):

\`\`\`sh
npx rouse build          # dist/: one file, ready to run
npx rouse register       # into the catalog; nothing runs yet
npx rouse call ${fullName}/Greet '{"name": "world"}'   # starts it, then calls it
\`\`\`

After a change of the contract: \`npx rouse gen\`. The compiler then says which handlers are out of step.
`;
}
