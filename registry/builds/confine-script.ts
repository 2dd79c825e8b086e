import { isAbsolute, relative } from "node:path";

/** What a confined program sees of the host's folders. All paths absolute and without links. */
export interface View {
  /** Shown as empty. */
  readonly hidden: readonly string[];
  /** Shown although they are below a hidden one; read-only. */
  readonly visible: readonly string[];
  /** Shown and writable, whatever it is below. */
  readonly scratch: string;
}

/**
 * A shell script for the inside of new namespaces: it arranges the folders, brings up the loopback device when the network is
 * new, and becomes "$@". Mounts need no privilege there but that of the namespace.
 *
 * @param network true when the host's network is kept.
 */
export function confineScript({ hidden: wanted, visible, scratch }: View, network: boolean): string {
  const hidden = wanted.filter((path) => !wanted.some((folder) => folder !== path && below(path, folder)));
  const shown = visible.filter((path) => hidden.some((folder) => below(path, folder)));
  // A data folder within the installation, say.
  const again = wanted.filter((folder) => shown.some((path) => folder !== path && below(folder, path)));
  const stash = "/mnt";
  const empty = "mount -t tmpfs -o mode=755,size=64m none";
  const bind = (from: string, to: string) => [`mkdir -p ${quote(to)}`, `mount --bind ${from} ${quote(to)}`];
  return [
    "set -e",
    ...(network ? [] : ["ip link set lo up"]),
    `${empty} ${stash}`,
    `mkdir ${stash}/scratch`,
    `mount --bind ${quote(scratch)} ${stash}/scratch`,
    ...shown.flatMap((path, at) => [`mkdir ${stash}/${at}`, `mount --rbind ${quote(path)} ${stash}/${at}`]),
    ...hidden.map((folder) => `${empty} ${quote(folder)}`),
    ...shown.flatMap((path, at) => [
      ...bind(`${stash}/${at}`, path),
      // A new user namespace may not take these away where they are set already.
      `mount -o remount,bind,ro ${quote(path)} 2>/dev/null || mount -o remount,bind,ro,nosuid,nodev ${quote(path)}`,
    ]),
    ...again.map((folder) => `${empty} ${quote(folder)}`),
    ...bind(`${stash}/scratch`, scratch),
    `umount -R ${stash}/* && umount ${stash}`,
    // The folder that the script began in is still the hidden one.
    `cd "$1" && shift`,
    'exec "$@"',
  ].join("\n");
}

function below(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way === "" || (way !== ".." && !way.startsWith("../") && !isAbsolute(way));
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
