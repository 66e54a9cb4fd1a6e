import { z } from 'zod';
import { Submission } from './result.ts';
import { type AgentTool, defineTool } from './tool.ts';

/** The two ways in which the agent ends a round by itself. */
export const submit: AgentTool = defineTool({
  name: 'submit',
  description:
    'Hands the work in. Call it once, when the change is complete and the checks pass. The app then runs every check itself, ' +
    'in a fresh container: what you claim here is shown as a claim.',
  shape: Submission,
  run: async (submission) => ({ kind: 'submitted', submission }),
});

export const ask: AgentTool = defineTool({
  name: 'ask',
  description:
    'Asks the people on the issue one question and ends the round until they answer. Only for what blocks the work and what ' +
    'neither the contract nor the repository answers.',
  shape: z.object({
    question: z.string().min(1).describe('One question that can be answered in a sentence, with the choices you see.'),
  }),
  run: async ({ question }) => ({ kind: 'asked', question }),
});
