import type { Json } from "../json.ts";
import type { Kind } from "../kinds.ts";
import { BytesInput } from "./BytesInput.tsx";
import { JsonInput } from "./JsonInput.tsx";
import { MessageFields } from "./MessageFields.tsx";
import { EnumInput, NumberInput, TextInput } from "./simple.tsx";

/** What every widget is given. */
export interface WidgetProps {
  readonly id: string;
  readonly path: string;
  /** Name for those who do not see the label beside it. */
  readonly label: string;
  readonly value: Json | undefined;
  /** undefined: no longer set. */
  readonly onChange: (value: Json | undefined) => void;
  /** Empty counts as not set, as for proto3 fields without "optional". */
  readonly emptyIsUnset: boolean;
}

/** The widget for one value of a kind. */
export function ValueInput({ kind, ...props }: WidgetProps & { readonly kind: Kind }) {
  switch (kind.is) {
    case "text":
      return <TextInput {...props} />;
    case "known-text":
      return <TextInput {...props} placeholder={kind.example} now={kind.desc.name === "Timestamp"} />;
    case "number":
      return <NumberInput {...props} scalar={kind.scalar} />;
    case "bytes":
      return <BytesInput {...props} />;
    case "enum":
      return <EnumInput {...props} desc={kind.desc} />;
    case "json":
      return <JsonInput {...props} example={kind.example} />;
    case "message":
      return <MessageFields desc={kind.desc} {...props} />;
    case "bool":
      return (
        <input
          type="checkbox"
          id={props.id}
          aria-label={props.label}
          checked={props.value === true}
          onChange={({ currentTarget: { checked } }) =>
            props.onChange(checked || !props.emptyIsUnset ? checked : undefined)
          }
        />
      );
  }
}
