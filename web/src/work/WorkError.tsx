import { type RouseError, useStoredKey, wantsKey } from "../api.ts";
import { KeyField } from "../components/KeyField.tsx";
import { ErrorNote, Note } from "../components/Note.tsx";

/** As ErrorNote; where work is shown to providers only, it asks for their key, and the page goes on with it. */
export function WorkError({ error, what }: { readonly error: RouseError; readonly what: string }) {
  const stored = useStoredKey() !== undefined;
  if (!wantsKey(error)) return <ErrorNote error={error} what={what} />;
  return (
    <Note kind="warning">
      <p>
        <strong>{`A key is needed to see ${what}. `}</strong>
        {stored
          ? "The one that this tab keeps is not, or no longer, good: forget it, and enter another."
          : "This mesh (--guard-work) shows its work to providers and the administrator only. Enter your key:"}
      </p>
      {/* One that is kept is told, and forgotten, under the tabs. */}
      {!stored && <KeyField />}
      <p class="soft">
        A provider's key is printed by <code>rouse provider create ID</code>; the administrator's is in the
        file <code>registry/admin.key</code> of the mesh's data folder.
      </p>
    </Note>
  );
}
