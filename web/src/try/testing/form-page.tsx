import { render } from "preact";
import { TryMethod } from "../TryMethod.tsx";
import "../../styles/base.css";
import "../../styles/parts.css";

/** The form alone, for a method that takes everything that a contract may have. */
const descriptorSet = new Uint8Array(await (await fetch("/contract")).arrayBuffer());
const put = { name: "Put", clientStreaming: false, serverStreaming: false, deadlineMs: 0n, http: "" };
const contract = { version: "1.0.0", methods: [put], types: [], descriptorSet };
render(<TryMethod service="real.v1.Real" version="1.0.0" contract={contract} method="Put" />, document.body);
