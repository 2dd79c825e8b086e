/** The style of the docs: one column, readable on a phone, light or dark as the reader's device is. */
export const docsStyle = `
:root { color-scheme: light dark; --text: #1c1e21; --soft: #5c6370; --back: #ffffff; --panel: #f4f5f7; --line: #d9dce1; --link: #0b57d0; }
@media (prefers-color-scheme: dark) { :root { --text: #e4e6ea; --soft: #9aa3b2; --back: #16181c; --panel: #1f2228; --line: #363b44; --link: #8ab4f8; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 54rem; padding: 1rem; font: 1rem/1.55 system-ui, sans-serif; color: var(--text); background: var(--back); overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.25rem; margin-top: 2.5rem; padding-top: 1rem; border-top: 1px solid var(--line); } h3 { font-size: 1.05rem; margin-top: 2rem; }
a { color: var(--link); }
code, pre { font: .9em ui-monospace, monospace; background: var(--panel); border-radius: .25rem; }
code { padding: .1em .3em; } pre { padding: .75rem; overflow-x: auto; } pre code { padding: 0; }
.facts { color: var(--soft); } .deprecated { color: #b3261e; font-weight: 600; }
@media (prefers-color-scheme: dark) { .deprecated { color: #f2b8b5; } }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid var(--line); }
td p { margin: 0 0 .4rem; } nav ul { padding-left: 1.2rem; columns: 16rem; }
`.trim();
