const sizeFactors: Readonly<Record<string, number>> = { k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };
const durationFactors: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

export const sizePattern = /^\d+(?:\.\d+)?[kmgt]$/iu;
export const durationPattern = /^\d+(?:\.\d+)?[smhd]$/iu;

/** `256m`, `2g` in bytes (1024 to the k); null for anything else. */
export function parseSize(text: string): number | null {
  return sizePattern.test(text) ? amount(text, sizeFactors) : null;
}

/** `90s`, `10m`, `2h`, `90d` in milliseconds; null for anything else. */
export function parseDuration(text: string): number | null {
  return durationPattern.test(text) ? amount(text, durationFactors) : null;
}

function amount(text: string, factors: Readonly<Record<string, number>>): number | null {
  const value = Math.round(Number(text.slice(0, -1)) * (factors[text.slice(-1).toLowerCase()] ?? Number.NaN));
  return Number.isSafeInteger(value) && value > 0 ? value : null;
}

/** The largest unit that gives a whole number: 2147483648 → `2g`. */
export function formatSize(bytes: number): string {
  return format(bytes, sizeFactors, 'bytes');
}

export function formatDuration(ms: number): string {
  return format(ms, durationFactors, 'ms');
}

function format(value: number, factors: Readonly<Record<string, number>>, smallest: string): string {
  const fitting = Object.entries(factors).filter(([, factor]) => value >= factor && value % factor === 0);
  const [unit, factor] = fitting.at(-1) ?? [];
  return unit && factor ? `${value / factor}${unit}` : `${value} ${smallest}`;
}
