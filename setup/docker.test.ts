import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { mayStartDockerd, startDockerd } from "../test/support/dockerd.ts";
import { makeNetwork, whyNoNamespaces } from "../test/support/namespaces.ts";
import { root } from "../test/support/rouse.ts";

const exec = promisify(execFile);
/** Starts the engine of a test run and ends it; the lines of what the network is before, meanwhile and after. */
const startAndEnd = `
  import { execFileSync } from "node:child_process";
  import { dockerForTests } from "./setup/docker.ts";
  const look = () => {
    const commands = "ip -o -4 addr show | cut -d' ' -f2-7; iptables-save | grep -v '^[#:]'";
    return execFileSync("sh", ["-c", commands], { encoding: "utf8" }).split("\\n");
  };
  const before = look();
  const engine = await dockerForTests();
  const meanwhile = look();
  await engine.stop();
  console.log(JSON.stringify({ before, meanwhile, after: look() }));
`;

test.runIf(mayStartDockerd && whyNoNamespaces() === undefined)(
  "the engine of a test run takes nothing from one that is there: bridge, addresses, rules of the firewall",
  async () => {
    const network = await makeNetwork();
    try {
      const host = await network.add("h1");
      const there = await startDockerd(host.path, false);
      try {
        const program = [process.execPath, "--input-type=module", "-e", startAndEnd];
        // None answers where the run looks for one.
        const env = { ...process.env, CI: "true", DOCKER_HOST: "unix:///nowhere/docker.sock" };
        const { stdout } = await exec("nsenter", [`--net=${host.path}`, "--", ...program], {
          env,
          cwd: root,
        });
        const { before, meanwhile, after } = JSON.parse(stdout.slice(stdout.indexOf("{")));
        const added = meanwhile.filter((line: string) => !before.includes(line));
        expect(added).toEqual([
          expect.stringMatching(/^rouse-\d+ +inet 10\.25\d\.0\.1\/16/),
          expect.stringMatching(/^-A FORWARD -i rouse-\d+ -o rouse-\d+ -j ACCEPT$/),
        ]);
        expect(meanwhile).toEqual(expect.arrayContaining(before));
        expect(after).toEqual(before);
      } finally {
        await there.close();
      }
    } finally {
      await network.close();
    }
  },
);
