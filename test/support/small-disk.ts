import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MIB = 2 ** 20;

export interface SmallDisk {
  readonly folder: string;
  /** Only root can have one; otherwise it is a folder as any. */
  readonly mounted: boolean;
  /** Leaves no room on it. @returns makes room again. */
  fill(): Promise<() => void>;
  /** Its folder as well, if that was made for it. */
  free(): void;
}

/** A file system of so many mebibytes, in memory. @param at Folder that it hides; default: one of its own. */
export function smallDisk(name: string, mebi: number, at?: string): SmallDisk {
  const folder = at ?? mkdtempSync(join(tmpdir(), `rouse-${name}-`));
  let mounted = true;
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${mebi}m`, "rouse-faults", folder], {
      stdio: "ignore",
    });
  } catch {
    mounted = false;
  }
  const filler = join(folder, "filler");
  return {
    folder,
    mounted,
    async fill() {
      const file = await open(filler, "w");
      try {
        for (let bytes = MIB; bytes >= 512; )
          await file.write(Buffer.alloc(bytes, 1)).catch(() => {
            bytes /= 2;
          });
      } finally {
        await file.close();
      }
      return () => rmSync(filler);
    },
    free() {
      if (mounted) execFileSync("umount", ["-l", folder]);
      if (at === undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
}
