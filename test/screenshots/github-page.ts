import { micromark } from 'micromark';
import { gfm, gfmHtml } from 'micromark-extension-gfm';

/**
 * Markdown as GitHub shows it in a conversation: its flavour, its kept HTML (`details`), line ends as breaks, fonts and widths. HTML is let
 * through as it stands, which is more than GitHub does: what escaping misses is seen.
 */
export function githubPage(title: string, markdown: string): string {
  const body = micromark(markdown, {
    allowDangerousHtml: true,
    extensions: [gfm()],
    htmlExtensions: [gfmHtml()],
  });
  return `<!doctype html><meta charset="utf-8"><style>${style}</style>
<article><header><b>millwright</b><i>bot</i> ${title}</header><div>${body}</div></article>`;
}

const style = `
body { margin: 16px; background: #fff; color: #1f2328; font: 14px/1.5 -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, "DejaVu Sans", sans-serif, "Noto Color Emoji"; }
article { border: 1px solid #d1d9e0; border-radius: 6px; }
header { padding: 8px 16px; background: #f6f8fa; border-bottom: 1px solid #d1d9e0; border-radius: 6px 6px 0 0; color: #59636e; }
header b { color: #1f2328; } header i { font-style: normal; font-size: 12px; border: 1px solid #d1d9e0; border-radius: 1em; padding: 0 6px; margin: 0 4px; }
article > div { padding: 16px; overflow-wrap: break-word; } article > div > :first-child { margin-top: 0; }
h2 { font-size: 1.5em; border-bottom: 1px solid #d1d9e0b3; padding-bottom: .3em; margin: 24px 0 16px; font-weight: 600; }
p, ul, ol, table, pre, blockquote, details { margin: 0 0 16px; } ul, ol { padding-left: 2em; }
table { border-collapse: collapse; display: block; width: max-content; max-width: 100%; overflow: auto; }
th, td { border: 1px solid #d1d9e0; padding: 6px 13px; } tr:nth-child(2n) { background: #f6f8fa; }
code { background: #818b981f; padding: .2em .4em; border-radius: 6px; font: 85% ui-monospace, "DejaVu Sans Mono", monospace; white-space: break-spaces; }
pre { background: #f6f8fa; padding: 16px; border-radius: 6px; overflow: auto; } pre code { background: none; padding: 0; white-space: pre; }
blockquote { border-left: .25em solid #d1d9e0; color: #59636e; padding: 0 1em; } a { color: #0969da; } summary { cursor: pointer; }`;
