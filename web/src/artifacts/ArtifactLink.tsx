import { Link } from "../router.tsx";
import { artifactName, artifactPath } from "./uri.ts";

/** Leads to the artifact of a URI; a text that is none is shown as it is. */
export function ArtifactLink({ uri, name }: { readonly uri: string; readonly name?: string }) {
  const path = artifactPath(uri);
  if (path === undefined) return <code>{uri}</code>;
  return (
    <Link href={path} title={uri}>
      {name || artifactName(uri)}
    </Link>
  );
}
