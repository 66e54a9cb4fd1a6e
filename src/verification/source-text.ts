/** Languages by how they write comments and strings. */
type Family = 'slashes' | 'hashes' | 'none';

function familyOf(path: string): Family {
  if (/\.(?:py|rb|sh|bash|bats|pl|t|ex|exs|toml|ya?ml|mk)$|(?:^|\/)(?:GNU)?[Mm]akefile$/.test(path)) return 'hashes';
  if (/\.(?:[cm]?[jt]sx?|go|rs|java|kt|kts|scala|groovy|cs|fs|php|swift|dart|c|cc|cpp|h|hpp)$/.test(path))
    return 'slashes';
  return 'none';
}

interface SourceText {
  /** Without comments. */
  code: string;
  /** Without comments, and strings emptied: `'…'` becomes `''`. What merely speaks of a test is not counted as one. */
  bare: string;
}

const slashTokens =
  /\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?|`(?:\\[\s\S]|[^`\\])*`?/g;
const hashTokens = /#[^\n]*|"""[\s\S]*?(?:"""|$)|'''[\s\S]*?(?:'''|$)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?/g;

/** Source with comments taken out, by a token scan that knows strings: near enough to count calls, without a parser for each language. */
export function sourceText(path: string, text: string): SourceText {
  const family = familyOf(path);
  if (family === 'none') return { code: text, bare: text };
  const tokens = family === 'slashes' ? slashTokens : hashTokens;
  const isComment = (token: string) => (family === 'slashes' ? /^\/[/*]/.test(token) : token.startsWith('#'));
  const newlines = (token: string) => '\n'.repeat(token.split('\n').length - 1);
  // Rust's `'a` lifetimes and `#[…]` are no strings or comments of ours: an unclosed quote ends with its line.
  const code = text.replace(tokens, (token) => (isComment(token) ? newlines(token) : token));
  const bare = code.replace(tokens, (token) => `${token.charAt(0)}${newlines(token)}${token.charAt(0)}`);
  return { code, bare };
}
