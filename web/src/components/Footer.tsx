import { catalog } from "../api.ts";
import { useLoad } from "../load.ts";
import { OutsideLink } from "./OutsideLink.tsx";

/** What the mesh is, and its other pages. Nothing where the registry does not tell. */
export function Footer() {
  const { value } = useLoad("mesh", (signal) => catalog.getMesh({}, { signal }));
  if (value === undefined) return <footer class="foot">Rouse</footer>;
  return (
    <footer class="foot row">
      <span>
        Rouse {value.version} · runtime {value.runtime}
      </span>
      {value.consulUi !== "" && <OutsideLink url={value.consulUi}>Consul</OutsideLink>}
    </footer>
  );
}
