import { languageOf } from './imports.ts';

const mostLines = 60;
const mostChars = 200;

/** Lines that declare something others can use, by language. */
const declarations = {
  script:
    /^(?:export\b|module\.exports|exports\.)|^(?:async\s+)?function\b|^(?:abstract\s+)?class\b|^(?:interface|type|enum)\s+\w/,
  python: /^(?:class|def|async def)\s|^ {4}(?:async )?def [a-z]|^[A-Z][A-Z\d_]* *[:=]/,
  go: /^func\s|^type\s|^(?:var|const)\s+[A-Z]/,
  java: /^\s{0,4}(?:public|protected|internal|open|abstract|sealed|data|fun|class|interface|object|enum)\b/,
  c: /^(?:typedef|struct|enum|#define)\b|^[A-Za-z_][\w\s*]*\([^;{]*\)\s*[;{]?$/,
} as const;

/** What a file offers to others: its declaring lines with their numbers; null when it is no code or declares nothing. */
export function outlineOf(path: string, text: string): string | null {
  const language = languageOf(path);
  if (language === null) return null;
  const lines: string[] = [];
  let more = 0;
  for (const [index, line] of text.split('\n').entries()) {
    if (line.length > 2_000 || !declarations[language].test(line.slice(0, mostChars))) continue;
    if (lines.length < mostLines) lines.push(`${index + 1}: ${line.trimEnd().slice(0, mostChars)}`);
    else more += 1;
  }
  if (lines.length === 0) return null;
  const rest = more === 0 ? [] : [`[… ${more} further declarations …]`];
  return ['[outline: the lines that declare something; read the file for the rest]', ...lines, ...rest].join('\n');
}
