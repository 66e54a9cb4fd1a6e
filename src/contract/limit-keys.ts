import { z } from 'zod';
import { defaultLimits } from './defaults.ts';
import { dollars, duration, known, positive, size, whole } from './policy-values.ts';

/** `limits` of a policy file. */
export const limitKeys = z.strictObject({
  minutes: known(
    positive,
    'Minutes of one attempt. The smallest number counts, as for all limits.',
    defaultLimits.minutes,
  ),
  turns: known(whole, 'Model calls of one attempt.', defaultLimits.turns),
  rounds: known(whole, 'Build and verify turns of one attempt.', defaultLimits.rounds),
  tokens: known(whole, 'Tokens of one issue, retries included.', defaultLimits.tokens),
  dollars: known(dollars, 'US dollars of one issue, retries included.', undefined, 3),
  files: known(whole, 'Files that a patch may change.', defaultLimits.files),
  lines: known(whole, 'Lines that a patch may add and remove.', defaultLimits.lines),
  memory: known(size, 'Memory of a container.', '2g'),
  cpus: known(positive, 'Processors of a container.', defaultLimits.cpus),
  pids: known(whole, 'Processes of a container.', defaultLimits.pids),
  disk: known(size, 'Disk that a container may fill.', '4g'),
  output: known(size, 'Output after which a command is ended.', '64m'),
  tool_timeout: known(duration, 'Time of one command of the agent.', '2m'),
  check_timeout: known(
    duration,
    'Time of one check that has no `timeout` of its own, and the most that any may take.',
    '10m',
  ),
  wait_days: known(positive, 'Days that a run waits for a person.', defaultLimits.waitDays),
  findings: known(whole, 'Findings of the second look that are shown.', defaultLimits.findings),
});
