import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';

/** Keeps small facts in cookies so that nobody can read or change them. */
export interface Seal {
  /** Encrypted and authenticated (AES-256-GCM), bound to what it is for. */
  close(purpose: string, value: object): string;
  /** Null for what this seal did not close for that purpose. */
  open(purpose: string, sealed: string): unknown;
  /** A token that only this seal can derive from a text. */
  tokenOf(text: string): string;
}

const ivBytes = 12;
const tagBytes = 16;

/** `secret`: the same in every process that shall open what another one closed. */
export function createSeal(secret: string | Uint8Array): Seal {
  const key = Buffer.from(hkdfSync('sha256', secret, 'millwright', 'dashboard cookies', 32));
  const tokenKey = Buffer.from(hkdfSync('sha256', secret, 'millwright', 'dashboard forms', 32));
  return {
    close(purpose, value) {
      const iv = randomBytes(ivBytes);
      const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(purpose));
      const text = Buffer.concat([cipher.update(JSON.stringify(value), 'utf8'), cipher.final()]);
      return Buffer.concat([iv, cipher.getAuthTag(), text]).toString('base64url');
    },
    open(purpose, sealed) {
      const bytes = Buffer.from(sealed, 'base64url');
      if (bytes.length <= ivBytes + tagBytes) return null;
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, ivBytes));
        decipher.setAAD(Buffer.from(purpose)).setAuthTag(bytes.subarray(ivBytes, ivBytes + tagBytes));
        const text = Buffer.concat([decipher.update(bytes.subarray(ivBytes + tagBytes)), decipher.final()]);
        return JSON.parse(text.toString('utf8'));
      } catch {
        // Closed with another key, for something else, or changed on the way: all the same to whoever asks.
        return null;
      }
    },
    tokenOf: (text) => createHmac('sha256', tokenKey).update(text).digest('base64url'),
  };
}

export const randomText = (): string => randomBytes(32).toString('base64url');

/** S256 of PKCE. */
export const challengeOf = (verifier: string): string => createHash('sha256').update(verifier).digest('base64url');

/** In a time that does not tell where the texts differ. */
export function sameText(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}
