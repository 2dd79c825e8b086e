import { ago } from "../format.ts";

/** When something was: relative, with the date as its title. Nothing for 0. */
export function Time({ ms }: { readonly ms: number | bigint }) {
  if (Number(ms) === 0) return null;
  const date = new Date(Number(ms));
  return (
    <time dateTime={date.toISOString()} title={date.toLocaleString()}>
      {ago(ms)}
    </time>
  );
}
