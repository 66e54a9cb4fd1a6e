/** The JSON value inside a model's text, as JSON text: bare, in a code fence, or between prose. Null when there is none. */
export function jsonInText(text: string): string | null {
  const trimmed = text.trim();
  if (isJson(trimmed)) return trimmed;
  for (const fence of trimmed.matchAll(/```[a-z]*\s*\n([\s\S]*?)```/gi)) {
    const inside = fence[1]?.trim() ?? '';
    if (isJson(inside)) return inside;
  }
  const start = trimmed.indexOf('{');
  const end = trimmed.lastIndexOf('}');
  const outermost = start >= 0 && end > start ? trimmed.slice(start, end + 1) : '';
  return isJson(outermost) ? outermost : null;
}

function isJson(text: string): boolean {
  if (text === '') return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
