import { basename } from "node:path";
import { artifacts } from "../../sdk/client/artifacts/client.ts";
import type { Mesh } from "../connect.ts";

/** Puts a file into the artifacts. @returns its URI. @throws RouseError as the client's put. */
export async function putFile(mesh: Mesh, file: string): Promise<string> {
  const store = artifacts({ target: mesh.orders, http: mesh.ordersHttp });
  try {
    const { uri } = await store.put({ file }, { name: basename(file) });
    return uri;
  } finally {
    store.close();
  }
}
