import { existsSync } from "node:fs";
import { whyNoNamespaces } from "../test/support/namespaces.ts";
import { installPackages, mayInstallPackages } from "./apt.ts";

/**
 * Sees to the program "ip", by which tests make hosts of their own.
 *
 * @returns why such hosts cannot be made; undefined: they can.
 */
export async function namespacesForTests(): Promise<string | undefined> {
  const installed = ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip"].some((path) => existsSync(path));
  if (!installed && mayInstallPackages()) await installPackages("iproute2");
  return whyNoNamespaces();
}
