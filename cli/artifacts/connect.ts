import { userInfo } from "node:os";
import { type Artifacts, artifacts } from "../../sdk/client/index.ts";
import { USER_HEADER } from "../../sdk/usage/caller.ts";
import { noMesh, readMesh, refused } from "../connect.ts";

/**
 * Talks to the artifacts of this host's mesh, as the user of this machine.
 *
 * @throws RouseError UNAVAILABLE NO_MESH; what the work throws.
 */
export async function withArtifacts<T>(work: (artifacts: Artifacts) => Promise<T>): Promise<T> {
  const { orders, ordersHttp } = readMesh();
  const client = artifacts({ target: orders, http: ordersHttp, headers: { [USER_HEADER]: userName() } });
  try {
    return await work(client);
  } catch (error) {
    throw refused(error) ? noMesh(orders, error) : error;
  } finally {
    client.close();
  }
}

function userName(): string {
  try {
    // A header has no other characters.
    return userInfo().username.replace(/[^\x21-\x7e]/g, "?");
  } catch {
    // A user without an entry in the system's list, as in some containers.
    return String(process.getuid?.() ?? "somebody");
  }
}
