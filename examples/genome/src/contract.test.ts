import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const run = promisify(execFile);
const buf = createRequire(import.meta.url).resolve("@bufbuild/buf/bin/buf");
const root = fileURLToPath(new URL("../../../", import.meta.url));

test("whoever can talk to 1.0.0 can talk to 2.0.0: buf finds no breaking change", async () => {
  const folder = await mkdtemp(join(tmpdir(), "rouse-contract-"));
  try {
    const images: string[] = [];
    for (const name of ["genome-1", "genome"]) {
      const proto = relative(root, fileURLToPath(new URL(`../../${name}/proto`, import.meta.url)));
      const config = JSON.stringify({ version: "v2", modules: [{ path: "proto" }, { path: proto }] });
      const image = join(folder, `${name}.binpb`);
      await run(
        process.execPath,
        [buf, "build", "--config", config, "--path", `${proto}/genome`, "-o", image],
        {
          cwd: root,
        },
      );
      images.push(image);
    }
    const [before = "", after = ""] = images;
    await expect(run(process.execPath, [buf, "breaking", after, "--against", before])).resolves.toEqual({
      stdout: "",
      stderr: "",
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
