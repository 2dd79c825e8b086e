import { Link } from "../router.tsx";

export function NotFound() {
  return (
    <div class="stack">
      <h1>There is no such page</h1>
      <p>
        The catalog has a page for each service: <Link href="/">search it</Link>.
      </p>
    </div>
  );
}
