import { code, inert } from './escape.ts';
import type { ChangedFile, PullRequestInput } from './facts.ts';

interface Theme {
  name: string;
  question: string;
  /** Paths that make the question more than a formality. */
  touches: RegExp;
}

/** What only a person can judge (SPEC §5), asked bluntly, with the files of this change that bear on it. */
const themes: readonly Theme[] = [
  {
    name: 'User experience',
    question: 'does it behave as its users expect?',
    touches:
      /\.(?:css|scss|html|[jt]sx|vue|svelte|hbs|ejs|po|ftl)$|(?:^|\/)(?:locales?|i18n|views|pages|components|templates)\//i,
  },
  {
    name: 'Cost',
    question: 'does it add paid calls, storage or dependencies?',
    touches:
      /(?:^|\/)(?:package\.json|requirements[^/]*\.txt|pyproject\.toml|go\.mod|Cargo\.toml|Gemfile|pom\.xml)$|(?:^|\/)(?:terraform|infra|helm|k8s)\//i,
  },
  {
    name: 'Latency',
    question: 'does it put work on a path that someone waits for?',
    touches: /(?:^|\/)(?:routes?|api|handlers?|controllers?|middleware|queries|db)(?:\/|\.)/i,
  },
  {
    name: 'Security',
    question: 'does it widen what input, users or code may do?',
    touches: /auth|login|session|token|secret|crypt|permission|polic|password|cors|csrf|sanitiz|escape|\.(?:pem|key)$/i,
  },
  {
    name: 'Operations',
    question: 'does it need a migration, a setting, an alert or a word to whoever runs it?',
    touches:
      /(?:^|\/)(?:migrations?|deploy|docker|helm|k8s|config|settings)(?:\/|\.)|Dockerfile|compose\.ya?ml|\.env|\.(?:ya?ml|toml|ini)$/i,
  },
];

/** Questions of *For your judgment*: contract, user experience, cost, latency, security, operations. */
export function judgmentItems(input: PullRequestInput): string[] {
  const { nonGoals } = input.contract;
  const kept =
    nonGoals.length === 0
      ? ''
      : ` The contract excludes: ${nonGoals
          .slice(0, 5)
          .map((text) => inert(text, { maxChars: 160 }))
          .join('; ')}.`;
  const waiting = (input.plan?.decisions ?? []).map(
    (text) => `Decision left to a person by the plan: ${inert(text, { maxChars: 300 })}`,
  );
  const risky = (input.plan?.riskyInterfaces ?? []).map(
    (text) => `Risky interface named by the plan: ${inert(text, { maxChars: 300 })}`,
  );
  return [
    `Contract: is this the right problem, and solved at the right place?${kept}`,
    ...themes.map((theme) => `${theme.name}: ${theme.question}${bearing(theme, input.changes)}`),
    ...waiting,
    ...risky,
  ];
}

function bearing(theme: Theme, changes: readonly ChangedFile[]): string {
  const paths = changes.map((file) => file.path).filter((path) => theme.touches.test(path));
  if (paths.length === 0) return '';
  const named = paths.slice(0, 3).map((path) => code(path, 'text', 120));
  const rest = paths.length > 3 ? ` and ${paths.length - 3} more` : '';
  return ` Look at ${named.join(', ')}${rest}.`;
}
