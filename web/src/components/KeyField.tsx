import { storeKey, useStoredKey } from "../api.ts";

/** Asks once for the key that changes need; it stays in this tab and is forgotten when that is closed. */
export function KeyField() {
  if (useStoredKey() !== undefined)
    return (
      <p class="row soft">
        Your key is kept until you close this tab.
        <button type="button" onClick={() => storeKey(undefined)}>
          Forget it
        </button>
      </p>
    );
  return (
    <label class="key">
      Your key, such as rouse_ab12_…{" "}
      <input
        type="password"
        autoComplete="off"
        onChange={(event) => storeKey(event.currentTarget.value.trim())}
      />
    </label>
  );
}
