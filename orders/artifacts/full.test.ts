import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ArtifactsRig, gather, startArtifacts } from "./testing/rig.ts";

const MIB = 2 ** 20;
const disk = mkdtempSync(join(tmpdir(), "rouse-full-"));
const mounted = mount();
let rig: ArtifactsRig;
beforeAll(async () => {
  if (mounted) rig = await startArtifacts({ location: disk });
});
afterAll(async () => {
  await rig?.close();
  if (mounted) execFileSync("umount", ["-l", disk]);
  rmSync(disk, { recursive: true, force: true });
});

/** A small disk of its own; only root can have one. */
function mount(): boolean {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=16m", "rouse-full", disk], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

async function* pieces(bytes: Buffer) {
  for (let at = 0; at < bytes.length; at += MIB) yield bytes.subarray(at, at + MIB);
}

test.skipIf(!mounted)(
  "a disk that fills up is told, nothing of the artifact is left, and the rest goes on",
  async () => {
    const { artifacts, open } = rig;
    const small = randomBytes(5 * MIB);
    const write = (bytes: Buffer) => artifacts.write(pieces(bytes), { owner: "tester" });
    const { uri } = await write(small);
    const full = {
      status: "RESOURCE_EXHAUSTED",
      reason: "ARTIFACT_NO_ROOM",
      message: expect.stringContaining(`The disk of ${disk}`),
    };
    await expect(write(randomBytes(20 * MIB))).rejects.toMatchObject(full);
    expect(await readdir(join(disk, "uploads"))).toEqual([]);
    // Where it is known how much will come, it is told before.
    const upload = {
      id: "",
      name: "",
      mediaType: "",
      metadata: {},
      keepMs: 0,
      keepForever: false,
      holder: "",
    };
    const begun = artifacts.uploads.begin({ ...upload, bytes: 12 * MIB, owner: "tester" });
    await expect(begun).rejects.toMatchObject({
      ...full,
      message: expect.stringContaining("an artifact of 12 MiB"),
    });
    const digest = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
    expect(digest(await gather(artifacts.read(uri)))).toBe(digest(small));
    await artifacts.remove(uri, "", "tester");
    await artifacts.uploads.begin({ ...upload, bytes: 12 * MIB, owner: "tester" });
    const large = randomBytes(12 * MIB);
    const { uri: second } = await artifacts.write(Readable.from(pieces(large)), { owner: "tester" });
    expect(digest(await gather(artifacts.read(second)))).toBe(digest(large));
    const places: string[] = [];
    for await (const page of open.contents.places()) places.push(...page);
    expect(places).toHaveLength(1);
  },
);
