import type { ServiceNames } from "./names.ts";

/** The actor of a new package. */
export function actorSource({ name }: ServiceNames, owner: string): string {
  return `import { actor, z } from "rouse/actor";

/** Greets somebody, and once more after a while, whatever happens in between. */
export const greet = actor(
  ${JSON.stringify(name)},
  {
    summary: "Greets, and once more after a while",
    owner: ${JSON.stringify(owner)},
    exposure: "external",
    method: "Greet",
    input: z.object({ name: z.string().min(1), pauseMs: z.number().min(0).default(1_000) }),
    output: z.object({ greetings: z.array(z.string()) }),
  },
  async ({ name, pauseMs }, run) => {
    const first = await run.step("greet", () => \`Hello, \${name}!\`);
    await run.sleep(pauseMs);
    const second = await run.step("greet again", () => \`Hello again, \${name}!\`);
    return { greetings: [first, second] };
  },
);
`;
}

/** The test of a new actor: begun anew after every step. */
export function actorTest(file: string): string {
  return `import { replay } from "rouse/testing";
import { expect, test } from "vitest";
import { greet } from "./${file}";

test("greets twice, and takes its time, however often it is begun anew", async () => {
  const { response, tookMs } = await replay(greet, { name: "world", pauseMs: 60_000 });
  expect(response).toEqual({ greetings: ["Hello, world!", "Hello again, world!"] });
  expect(tookMs).toBe(60_000);
});

test("says what is missing", async () => {
  await expect(replay(greet, { name: "" })).rejects.toMatchObject({ reason: "ACTOR_INPUT_INVALID" });
});
`;
}

/** README.md of a new actor. */
export function actorReadme({ name, snake, service, fullName }: ServiceNames): string {
  return `# ${name}

${service}, a durable function for the Rouse mesh: what it does is recorded step by step, and goes on after any crash.

| file | is |
|---|---|
| \`src/${name}.ts\` | the function, and what it takes and gives |
| \`src/${name}.test.ts\` | runs it in memory, and begins it anew after every step |
| \`gen/\` | generated, not committed: the contract in \`gen/${snake}/v1/${snake}.proto\`, clients, docs, the program |

\`\`\`sh
npm install
npm test                 # generates, then tests
npm run check            # the compiler at its strictest
npm start                # serves on 127.0.0.1:50051, without a mesh: its journal is in memory then
\`\`\`

With a mesh (\`npx rouse up\`, in another terminal):

\`\`\`sh
npx rouse register       # into the catalog; nothing runs yet
npx rouse call ${fullName}/Greet '{"name": "world"}'           # starts it, and waits for its end
npx rouse call ${fullName}/Greet '{"name": "world"}' --async   # or does not wait
npx rouse runs           # what runs, sleeps and has ended; with an id: its journal
\`\`\`
`;
}
