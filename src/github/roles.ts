import type { Role } from './github.ts';

interface PermissionAnswer {
  permission: string;
  user: { permissions?: { pull: boolean; triage?: boolean; push: boolean; maintain?: boolean; admin: boolean } } | null;
}

/** The old `permission` field knows no triage and no maintain: it serves only hosts that leave the flags out. */
export function roleFrom(answer: PermissionAnswer): Role {
  const flags = answer.user?.permissions;
  if (flags) {
    if (flags.admin) return 'admin';
    if (flags.maintain) return 'maintain';
    if (flags.push) return 'write';
    if (flags.triage) return 'triage';
    return flags.pull ? 'read' : 'none';
  }
  const plain: Record<string, Role> = { admin: 'admin', write: 'write', read: 'read' };
  return plain[answer.permission] ?? 'none';
}
