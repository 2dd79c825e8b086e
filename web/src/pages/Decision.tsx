import { useId, useState } from "preact/hooks";
import { RouseError, withKey } from "../api.ts";
import { releases } from "../clients/releases.ts";
import { KeyField } from "../components/KeyField.tsx";
import { ErrorNote } from "../components/Note.tsx";

/** Approves or denies, with the message that is kept. */
export function Decision({ id, onDecided }: { readonly id: string; readonly onDecided: () => void }) {
  const [message, setMessage] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<RouseError>();
  const hint = useId();
  const decide = async (approve: boolean) => {
    setBusy(true);
    setError(undefined);
    try {
      await releases.decideReview({ id, approve, message: message.trim() }, withKey());
      onDecided();
    } catch (thrown) {
      setError(RouseError.from(thrown));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form class="form" onSubmit={(event) => event.preventDefault()}>
      <label>
        Message
        <textarea
          rows={2}
          value={message}
          aria-describedby={hint}
          onInput={(event) => setMessage(event.currentTarget.value)}
        />
      </label>
      <KeyField />
      <div class="row">
        <button
          type="button"
          class="primary"
          disabled={busy || message.trim() === ""}
          onClick={() => void decide(true)}
        >
          Approve
        </button>
        <button type="button" disabled={busy || message.trim() === ""} onClick={() => void decide(false)}>
          Deny
        </button>
        <span class="soft" id={hint}>
          The message is kept with the decision.
        </span>
      </div>
      {error !== undefined && <ErrorNote error={error} what="the decision" />}
    </form>
  );
}
