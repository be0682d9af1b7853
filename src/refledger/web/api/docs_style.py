"""The style of the documentation page."""

STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--quiet:#5b6570;--line:#d9dee3;--ground:#fff;--raised:#f5f7f9;
  --link:#0a5fb4}
@media (prefers-color-scheme:dark){:root{--ink:#e4e8ec;--quiet:#9aa5b1;--line:#343b43;--ground:#14171a;
  --raised:#1c2126;--link:#7cb8f5}}
*{box-sizing:border-box}
body{margin:0;display:grid;grid-template-columns:19rem minmax(0,1fr);font:16px/1.55 system-ui,sans-serif;
  color:var(--ink);background:var(--ground)}
nav{position:sticky;top:0;height:100vh;overflow:auto;padding:1rem;border-right:1px solid var(--line);
  font-size:.8rem}
nav h2{font-size:.85rem;margin:1rem 0 .25rem}
nav ul{list-style:none;margin:0;padding:0}
nav a{display:block;padding:.2rem 0;overflow-wrap:anywhere;text-decoration:none}
main{padding:1rem clamp(1rem,4vw,3rem) 4rem;max-width:64rem}
h1,h2,h3{line-height:1.25}
main h2{margin-top:3rem;border-bottom:1px solid var(--line)}
section{margin:1.5rem 0;padding:.25rem 1rem;background:var(--raised);border:1px solid var(--line);
  border-radius:.5rem}
h3 a{color:inherit;text-decoration:none;overflow-wrap:anywhere}
h4{margin:1rem 0 .25rem}
a{color:var(--link)}
a:focus-visible,pre:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{text-align:left;vertical-align:top;padding:.3rem .75rem .3rem 0;border-top:1px solid var(--line)}
th{font-weight:600}
code,pre{font-family:ui-monospace,monospace;font-size:.92em}
pre{overflow-x:auto;padding:.75rem;border:1px solid var(--line);border-radius:.35rem}
.quiet{color:var(--quiet)}
b{font-family:ui-monospace,monospace;font-size:.8em}
b.get{color:#0b6b3a}b.post{color:#8a4b00}b.patch,b.put{color:#5b3fa8}b.delete{color:#a3222b}
@media (prefers-color-scheme:dark){b.get{color:#6fd49b}b.post{color:#f0b56b}b.patch,b.put{color:#bda6ff}
  b.delete{color:#ff9aa0}}
.skip{position:absolute;left:-999px}.skip:focus{left:1rem;top:1rem;background:var(--ground);padding:.5rem;
  z-index:1}
@media (max-width:50rem){body{display:block}nav{position:static;height:auto;max-height:40vh;border-right:0;
  border-bottom:1px solid var(--line)}}
"""
