import { expect, test } from "vitest";
import { confineScript } from "./confine-script.ts";

test("home is hidden, what a build needs of it is shown read-only, and the scratch folder comes last", () => {
  const view = {
    hidden: ["/home", "/home/u/rouse/data", "/home/u", "/run"],
    visible: ["/home/u/rouse", "/usr/lib/node"],
    scratch: "/home/u/rouse/data/it's",
  };
  const lines = confineScript(view, false).split("\n");
  const at = (text: string) => lines.findIndex((line) => line.includes(text));
  expect(at("ip link set lo up")).toBe(1);
  // What is below a hidden folder needs no tmpfs of its own.
  expect(lines.filter((line) => line.endsWith(" '/home/u'"))).toEqual([]);
  expect(at("/usr/lib/node")).toBe(-1);
  const order = [
    "mount --bind '/home/u/rouse/data/it'\\''s' /mnt/scratch",
    "none '/home'",
    "mount --bind /mnt/0 '/home/u/rouse'",
    "remount,bind,ro '/home/u/rouse'",
    "none '/home/u/rouse/data'",
    "mount --bind /mnt/scratch '/home/u/rouse/data/it'\\''s'",
  ].map(at);
  expect(order).toEqual([...order].sort((a, b) => a - b));
  expect(order).not.toContain(-1);
});

test("with the host's network its devices are left alone", () => {
  const script = confineScript({ hidden: [], visible: [], scratch: "/s" }, true);
  expect(script).not.toContain("ip link");
});
