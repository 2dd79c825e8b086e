import { type ComponentType, h } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Note } from "./components/Note.tsx";

/** A component whose code is loaded when it is first shown. */
export function lazy<Props extends object>(load: () => Promise<ComponentType<Props>>): ComponentType<Props> {
  let loaded: ComponentType<Props> | undefined;
  return function Lazy(props: Props) {
    const [failure, setFailure] = useState("");
    const [, setReady] = useState(loaded !== undefined);
    useEffect(() => {
      if (loaded !== undefined) return;
      let gone = false;
      load().then(
        (component) => {
          loaded = component;
          if (!gone) setReady(true);
        },
        () => {
          if (!gone) setFailure("A part of the page could not be loaded: reload the page.");
        },
      );
      return () => {
        gone = true;
      };
    }, []);
    if (failure !== "") return <Note kind="error">{failure}</Note>;
    return loaded === undefined ? <p class="loading">Loading …</p> : h(loaded, props);
  };
}
